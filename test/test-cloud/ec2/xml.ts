// Reads and changes EC2's XML answers (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html) as
// far as the proxy in front of moto needs it.
import { randomUUID } from "node:crypto";

/** All texts of an element, in order. */
export function texts(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, "g"))].map(([, text]) => text);
}

/**
 * Changes each item of all lists with this name.
 * @param list For example `instancesSet`.
 * @param element The element with the item's id, for example `instanceId`.
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

/** The outermost items, which can contain lists with items themselves. */
function topItems(xml: string): string[] {
  let [depth, start] = [0, 0];
  const items: string[] = [];
  for (const { 0: tag, index } of xml.matchAll(/<item>|<\/item>/g)) {
    if (tag === "<item>" && depth++ === 0) start = index;
    if (tag === "</item>" && --depth === 0) items.push(xml.slice(start, index + tag.length));
  }
  return items;
}

/** Replaces an element's text everywhere. */
export function withText(xml: string, element: string, text: string): string {
  return xml.replaceAll(new RegExp(`<${element}>[^<]*</${element}>`, "g"), `<${element}>${text}</${element}>`);
}

/** Inserts elements after another one. Elements without a text are omitted. */
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

/** Removes elements with their content. */
export function withoutElement(xml: string, element: string): string {
  return xml.replaceAll(new RegExp(`<${element}>.*?</${element}>|<${element}\\s*/>`, "gs"), "");
}

/** An answer that only reports success. */
export function okAnswer(action: string): string {
  return `<${action}Response><requestId>${randomUUID()}</requestId><return>true</return></${action}Response>`;
}

/** An answer with an error. */
export function errorAnswer(code: string, message: string): string {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors>${error}</Errors><RequestID>${randomUUID()}</RequestID></Response>`;
}

/** Values of a list parameter: `InstanceId.1`, `InstanceId.2`, ... */
export function listOf(parameters: URLSearchParams, name: string): string[] {
  return [...parameters].filter(([key]) => key.startsWith(`${name}.`)).map(([, value]) => value);
}

/** Limits a query to these ids. Without ids, it matches nothing. */
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
