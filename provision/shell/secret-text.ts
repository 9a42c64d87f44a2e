// `{ secret: NAME }` in a recipe: a text that is not known before the module's script runs on the builder. Modules handle it
// as any other text; `quote` and `feed` (shell.ts) turn it into a read of the file in memory that holds the value.

import { secretsFolder } from "../builder/builder-folders.ts";

// Noncharacters of Unicode: no YAML may hold them, so no text of a user can look like a secret.
const [open, close] = ["\uFDD0", "\uFDD1"];
const mark = new RegExp(`${open}([A-Za-z0-9_]+)${close}`, "gu");

/** The text that stands for a secret until the module's script runs. */
export function secretText(name: string): string {
  return `${open}${name}${close}`;
}

/** Does a text stand for a secret, or hold one? */
export function holdsSecret(text: string): boolean {
  return text.includes(open);
}

/** A text for people: `{ secret: NAME }` where a secret stands. */
export function showSecrets(text: string): string {
  return text.replace(mark, "{ secret: $1 }");
}

/** A text in parts: what is known, and the paths of files that hold what is not. */
export function textParts(text: string): ({ text: string } | { secretFile: string })[] {
  // A split by a pattern with a group: known, name, known, name, known.
  return text
    .split(mark)
    .map((part, index) => (index % 2 === 0 ? { text: part } : { secretFile: `${secretsFolder}/${part}` }))
    .filter((part) => !("text" in part) || part.text !== "");
}

/**
 * Puts secret texts for every `{ secret: NAME }` in a value.
 * @returns a copy.
 */
export function withSecretTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSecretTexts);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value as Record<string, unknown>);
  const [key, name] = entries[0] ?? [];
  const isSecret = entries.length === 1 && key === "secret" && typeof name === "string";
  if (isSecret && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return secretText(name);
  return Object.fromEntries(entries.map(([each, inner]) => [each, withSecretTexts(inner)]));
}

/** A value as JSON for a program on the builder: a secret is an object with its file's path. */
export function asJson(value: unknown, space?: number): string {
  const shown = (_key: string, each: unknown) => {
    if (typeof each !== "string" || !holdsSecret(each)) return each;
    return textParts(each).map((part) => ("text" in part ? part.text : { secretFile: part.secretFile }))[0];
  };
  return JSON.stringify(value ?? null, shown, space);
}
