// Sizes and durations as people write them: "4G", "512M", "30 minutes".
import ms from "ms";

const units: Readonly<Record<string, number>> = { M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** The format of a size, for messages and the schema. */
export const sizeForm = 'a number and a unit: "512M", "4G", "1T" (powers of 1024; "4GB" and "4GiB" mean the same)';

/** The format of a duration, for messages and the schema. */
export const durationForm = 'a number and a unit: "90 seconds", "30 minutes", "2h"';

/**
 * Parses a size.
 * @param text `4G`, `512M`, `1.5 GiB`; the units are powers of 1024, as clouds sell disks.
 * @returns bytes, a whole number of MiB; undefined if it is not a size.
 */
export function parseSize(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([MGT])(?:i?B)?$/i.exec(text.trim()) ?? [];
  const factor = unit && units[unit.toUpperCase()];
  if (!number || !factor) return undefined;
  const bytes = Number(number) * factor;
  return bytes > 0 && bytes % mebibyte === 0 ? bytes : undefined;
}

/** Bytes. */
export const mebibyte = 1024 ** 2;

/** Bytes. */
export const gibibyte = 1024 ** 3;

/**
 * Formats a size for people, in GiB with one decimal.
 * @param round Rounds the last digit, so that two different sizes need not read the same.
 */
export function inGibibytes(bytes: number, round = Math.round): string {
  return `${(round((bytes / gibibyte) * 10) / 10).toFixed(1)} GiB`;
}

/** Formats a size as in recipes: `4G`, `512M`; in bytes if it is not a whole number of MiB. */
export function formatSize(bytes: number): string {
  const unit = ["T", "G", "M"].find((each) => bytes > 0 && bytes % (units[each] ?? 1) === 0);
  return unit ? `${bytes / (units[unit] ?? 1)}${unit}` : `${bytes} bytes`;
}

/**
 * Parses a duration.
 * @param text `90 seconds`, `30 minutes`, `2h`: a number without a unit is ambiguous, and refused.
 * @returns whole seconds, at least 1; undefined if it is not a duration.
 */
export function parseDuration(text: string): number | undefined {
  if (!/^\d+(\.\d+)?\s*[a-z]+$/i.test(text.trim())) return undefined;
  const milliseconds = ms(text.trim() as ms.StringValue) as number | undefined;
  return milliseconds !== undefined && milliseconds >= 1000 ? Math.round(milliseconds / 1000) : undefined;
}
