// Shell in files of its own, which shellcheck reads.
import { readFileSync } from "node:fs";

/**
 * Reads a script.
 * @param values What the words in it stand for: `RUN_FOLDER` is written `@RUN_FOLDER@` there.
 */
export function scriptFile(file: URL, values: Readonly<Record<string, string>> = {}): string {
  const text = readFileSync(file, "utf8");
  return text.replaceAll(/@([A-Z][A-Z_]*)@/g, (word, name: string) => values[name] ?? word);
}
