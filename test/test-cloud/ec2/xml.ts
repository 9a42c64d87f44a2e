// EC2's answers (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html), as much of them as has to be
// read or changed on their way from moto.
import { randomUUID } from "node:crypto";

/** All texts of an element, in order. */
export function texts(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map(([, text]) => text);
}

/**
 * Changes the parts of an answer that tell of one thing each: the items of lists with that name, wherever they are.
 * @param list `instancesSet`.
 * @param element Holds the thing's id: `instanceId`.
 */
export function changeEach(
  xml: string,
  list: string,
  element: string,
  change: (id: string, part: string) => string,
): string {
  return xml.replaceAll(new RegExp(`(?<=<${list}>).*?(?=</${list}>)`, "gs"), (items) =>
    topItems(items)
      .map((item) => change(texts(item, element)[0], item))
      .join(""),
  );
}

/** The outermost items; lists inside of them have items, too. */
function topItems(xml: string): string[] {
  let [depth, start] = [0, 0];
  const items: string[] = [];
  for (const { 0: tag, index } of xml.matchAll(/<item>|<\/item>/g)) {
    if (tag === "<item>" && depth++ === 0) start = index;
    if (tag === "</item>" && --depth === 0) items.push(xml.slice(start, index + tag.length));
  }
  return items;
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
  return xml.replaceAll(new RegExp(`<${element}>.*?</${element}>|<${element}\\s*/>`, "gs"), "");
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

/** A list parameter: `InstanceId.1`, `InstanceId.2`, ... */
export function listOf(parameters: URLSearchParams, name: string): string[] {
  return [...parameters].filter(([key]) => key.startsWith(`${name}.`)).map(([, value]) => value);
}

/** A question after just these things; without any, after one that nobody has. */
export function withIds(parameters: URLSearchParams, name: string, ids: readonly string[]): URLSearchParams {
  const changed = new URLSearchParams([...parameters].filter(([key]) => !key.startsWith(`${name}.`)));
  ids.forEach((id, index) => changed.set(`${name}.${index + 1}`, id));
  if (ids.length === 0) {
    const filters = new Set([...changed.keys()].flatMap((key) => /^Filter\.\d+/.exec(key)?.[0] ?? []));
    changed.set(`Filter.${filters.size + 1}.Name`, "tag:nobody-has-this");
    changed.set(`Filter.${filters.size + 1}.Value.1`, "at all");
  }
  return changed;
}
