// Packs the facts about an image into its description, in case the state is lost: a line for people, followed by the
// compressed facts.
import { deflateRawSync, inflateRawSync } from "node:zlib";

const mark = " ci-images:";

export interface PackOptions {
  /** The maximum length of the text. */
  longest: number;
  /** Keys that may be dropped, in this order, if the text gets too long. */
  dispensable: readonly string[];
}

/**
 * Packs facts into a text.
 * @param line A line for people; must not contain ` ci-images:`.
 * @throws RangeError if the text is too long even without everything dispensable.
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

/** Extracts the facts from a text. @returns undefined if it has none of ours. */
export function unpackFacts(text: string | undefined): Record<string, unknown> | undefined {
  const at = text?.lastIndexOf(mark) ?? -1;
  if (text === undefined || at < 0) return undefined;
  try {
    return JSON.parse(inflateRawSync(Buffer.from(text.slice(at + mark.length), "base64url")).toString()) as Record<
      string,
      unknown
    >;
  } catch {
    // Somebody edited our text, or wrote one that contains our mark by chance.
    return undefined;
  }
}
