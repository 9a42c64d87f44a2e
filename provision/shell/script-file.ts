// Reads shell scripts from their own files, which shellcheck checks.
import { readFileSync } from "node:fs";

/**
 * Reads a script.
 * @param values Values for its placeholders: `RUN_FOLDER` replaces `@RUN_FOLDER@`.
 */
export function scriptFile(file: URL, values: Readonly<Record<string, string>> = {}): string {
  const text = readFileSync(file, "utf8");
  return text.replaceAll(/@([A-Z][A-Z_]*)@/g, (word, name: string) => values[name] ?? word);
}
