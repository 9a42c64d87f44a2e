// What an image has to tell of itself when the state is lost, in the one text that a cloud lets an image carry: a line for
// people, and behind it the facts, compressed.
import { deflateRawSync, inflateRawSync } from "node:zlib";

const mark = " ci-images:";

export interface PackOptions {
  /** The most characters that the text may have. */
  longest: number;
  /** Keys that may be left out, in this order, where the text would get too long. */
  dispensable: readonly string[];
}

/**
 * Puts facts into a text.
 * @param line For people; without the text ` ci-images:`.
 * @throws RangeError when it is too long without everything dispensable, too.
 */
export function packFacts(line: string, facts: object, { longest, dispensable }: PackOptions): string {
  for (let left = 0; left <= dispensable.length; left += 1) {
    const out = dispensable.slice(0, left);
    const kept = Object.fromEntries(Object.entries(facts).filter(([key]) => !out.includes(key)));
    const text = line + mark + deflateRawSync(JSON.stringify(kept), { level: 9 }).toString("base64url");
    if (text.length <= longest) return text;
  }
  throw new RangeError(`the facts of an image do not fit into ${longest} characters`);
}

/** Takes facts out of a text. @returns undefined when it holds none of ours. */
export function unpackFacts(text: string | undefined): Record<string, unknown> | undefined {
  const at = text?.lastIndexOf(mark) ?? -1;
  if (text === undefined || at < 0) return undefined;
  try {
    return JSON.parse(inflateRawSync(Buffer.from(text.slice(at + mark.length), "base64url")).toString()) as Record<
      string,
      unknown
    >;
  } catch {
    // Somebody wrote a description of their own that happens to have our mark, or cut ours.
    return undefined;
  }
}
