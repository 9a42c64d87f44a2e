// Digests of texts and values, the same on every computer. For files and folders see common/pack.ts.
import { createHash } from "node:crypto";

/** sha256 of a text, in hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * sha256 of a value's JSON with all keys sorted: equal values have equal digests.
 * @param value Any value that JSON can represent.
 */
export function digestOfValue(value: unknown): string {
  return sha256(JSON.stringify(inOrder(value)) ?? "undefined");
}

/** A copy of a value with the keys of all mappings sorted. */
export function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== "object") return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, item]) => [key, inOrder(item)]));
}
