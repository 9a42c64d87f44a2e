// Quotes text for bash. Everything from settings that enters a script passes through here. A text with a secret
// (`{ secret: NAME }` in the recipe) becomes a read of its file when the script runs.
import { holdsSecret, textParts } from "./secret-text.ts";

/**
 * Quotes a value so that bash takes it as one word, whatever it contains: `install -d ${quote(path)}`. Keeps plain
 * words unchanged, so that rendered scripts are readable.
 * @throws TypeError if it contains a NUL character, which no shell word can hold.
 */
export function quote(value: string | number): string {
  const text = String(value);
  if (text.includes("\0")) throw new TypeError("a NUL character cannot be passed to a shell");
  if (/^[A-Za-z0-9_./:@%+,-]+$/.test(text)) return text;
  if (!holdsSecret(text)) return quoteKnown(text);
  // bash itself reads the file, and drops the value's final line breaks, which a word rarely needs.
  return textParts(text)
    .map((part) => ("text" in part ? quoteKnown(part.text) : `"$(<${part.secretFile})"`))
    .join("");
}

function quoteKnown(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a list of values, separated by spaces: `apt-get install ${quoteAll(names)}`. */
export function quoteAll(values: readonly (string | number)[]): string {
  return values.map(quote).join(" ");
}

/**
 * Feeds a text to a command's standard input, unchanged: `cat ${feed(text)}`. Uses a quoted here-document, which is
 * readable, if the text ends with a line break; otherwise `< <(printf ...)`, because a here-document would add one.
 * @param text Any text without NUL.
 */
export function feed(text: string): string {
  if (text.includes("\0")) throw new TypeError("a NUL character cannot be passed to a shell");
  if (holdsSecret(text)) {
    const commands = textParts(text).map((part) => {
      return "text" in part ? `printf '%s' ${quoteKnown(part.text)}` : `cat ${part.secretFile}`;
    });
    return `< <(${commands.join("; ")})`;
  }
  if (!text.endsWith("\n")) return `< <(printf '%s' ${quote(text)})`;
  const lines = new Set(text.split("\n"));
  let delimiter = "END_OF_TEXT";
  for (let number = 2; lines.has(delimiter); number++) delimiter = `END_OF_TEXT_${number}`;
  return `<<'${delimiter}'\n${text}${delimiter}`;
}
