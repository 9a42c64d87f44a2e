// EC2's answers (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html), as much of them as has to be
// read or changed on their way from moto.
import { randomUUID } from "node:crypto";

/** All texts of an element, in order. */
export function texts(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map(([, text]) => text);
}

/**
 * Changes the parts of an answer that tell of one thing each.
 * @param element Holds the thing's id, and comes first of what tells of it: `instanceId`.
 * @param change Gets the id and all until the next one.
 */
export function changeEach(xml: string, element: string, change: (id: string, part: string) => string): string {
  const parts = xml.split(new RegExp(`(?=<${element}>)`));
  return parts.map((part, index) => (index === 0 ? part : change(texts(part, element)[0], part))).join("");
}

/** Replaces an element's text wherever it stands. */
export function withText(xml: string, element: string, text: string): string {
  return xml.replaceAll(new RegExp(`<${element}>[^<]*</${element}>`, "g"), `<${element}>${text}</${element}>`);
}

/** Puts elements behind another one; those without a text are left out. */
export function withElements(
  xml: string,
  behind: string,
  elements: Readonly<Record<string, string | undefined>>,
): string {
  const some = Object.entries(elements).filter(([, text]) => text !== undefined);
  return xml.replace(
    `</${behind}>`,
    `</${behind}>${some.map(([name, text]) => `<${name}>${text}</${name}>`).join("")}`,
  );
}

/** Takes elements away with all that is in them. */
export function withoutElement(xml: string, element: string): string {
  return xml.replaceAll(new RegExp(`<${element}>.*?</${element}>`, "gs"), "");
}

/** An answer that says nothing but that it was done. */
export function okAnswer(action: string): string {
  return `<${action}Response><requestId>${randomUUID()}</requestId><return>true</return></${action}Response>`;
}

/** An error. */
export function errorAnswer(code: string, message: string): string {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>${error}</Errors><RequestID>${randomUUID()}</RequestID></Response>`;
}
