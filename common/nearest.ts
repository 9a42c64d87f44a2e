// Suggests names for "did you mean ...?".
import { closest, distance } from "fastest-levenshtein";

/**
 * The name that was probably meant.
 * @returns undefined if none is near: more than a third of the letters (at least two) would have to change.
 */
export function nearest(written: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const name = closest(written.toLowerCase(), names);
  return distance(written.toLowerCase(), name) <= Math.max(2, Math.floor(name.length / 3)) ? name : undefined;
}
