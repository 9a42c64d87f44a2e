// `{ secret: NAME }` in a recipe: a text that is unknown until the module's script runs on the builder. Modules treat
// it like any other text; `quote` and `feed` (shell.ts) turn it into a read of the in-memory file with the value.

import { secretsFolder } from "../builder/builder-folders.ts";

// Unicode noncharacters: YAML can't contain them, so no user's text can look like a secret.
const [open, close] = ["\uFDD0", "\uFDD1"];
const mark = new RegExp(`${open}([A-Za-z0-9_]+)${close}`, "gu");

/** The placeholder for a secret until the module's script runs. */
export function secretText(name: string): string {
  return `${open}${name}${close}`;
}

/** Whether a text is or contains a secret. */
export function holdsSecret(text: string): boolean {
  return text.includes(open);
}

/** A text for people, with `{ secret: NAME }` for each secret. */
export function showSecrets(text: string): string {
  return text.replace(mark, "{ secret: $1 }");
}

/** A text in parts: known text, and the paths of files that hold the secrets. */
export function textParts(text: string): ({ text: string } | { secretFile: string })[] {
  // Splitting by a pattern with a group gives known, name, known, name, known.
  return text
    .split(mark)
    .map((part, index) => (index % 2 === 0 ? { text: part } : { secretFile: `${secretsFolder}/${part}` }))
    .filter((part) => !("text" in part) || part.text !== "");
}

/**
 * Replaces every `{ secret: NAME }` in a value with its secret text.
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

/** A value as JSON for a program on the builder. A secret becomes an object with its file's path. */
export function asJson(value: unknown, space?: number): string {
  const shown = (_key: string, each: unknown) => {
    if (typeof each !== "string" || !holdsSecret(each)) return each;
    return textParts(each).map((part) => ("text" in part ? part.text : { secretFile: part.secretFile }))[0];
  };
  return JSON.stringify(value ?? null, shown, space);
}
