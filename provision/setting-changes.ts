// Describes the differences between two versions of a module's settings:
// `run[0]: "install -d -m 0777 /srv" => "… 0755 …"`.
import { isDeepStrictEqual } from "node:util";
import { digestOfValue } from "./plan/digest.ts";
import { showSecrets } from "./shell/secret-text.ts";

/** The most lines for one module; the rest are counted. */
const mostLines = 8;

/** Texts of at least this many characters are shown without the words that did not change. */
const shortestElided = 24;

/** Texts of up to this many characters are kept whole. */
const longestText = 200;

/**
 * Settings in the form that is kept for the next preview: secrets by name, long texts by their first line and a digest.
 * @param settings From the recipe.
 */
export function rememberedSettings(settings: unknown): unknown {
  if (typeof settings === "string") return rememberedText(showSecrets(settings));
  if (Array.isArray(settings)) return settings.map(rememberedSettings);
  if (settings === null || typeof settings !== "object") return settings ?? null;
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, rememberedSettings(value)]));
}

function rememberedText(text: string): string {
  if (text.length <= longestText) return text;
  const lines = text.split("\n");
  const start = lines[0].slice(0, 60);
  return `${start}… (${lines.length} lines, ${digestOfValue(text).slice(0, 8)})`;
}

/**
 * Compares two versions of settings.
 * @param key Their key in the recipe: `add_users`.
 * @returns a line for each difference, at most {@link mostLines} and one that counts the rest.
 */
export function settingChanges(key: string, before: unknown, after: unknown): string[] {
  const lines = differences(key, before, after);
  if (lines.length <= mostLines) return lines;
  const rest = lines.length - mostLines + 1;
  return [...lines.slice(0, mostLines - 1), `${key}: and ${rest} more changes`];
}

function differences(path: string, before: unknown, after: unknown): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listDifferences(path, before, after);
  if (isMapping(before) && isMapping(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => {
      const inner = /^[\w.-]+$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
      if (!(key in after)) return [`${inner}: removed (${shown(before[key])})`];
      if (!(key in before)) return [`${inner}: + ${shown(after[key])}`];
      return differences(inner, before[key], after[key]);
    });
  }
  if (typeof before === "string" && typeof after === "string") return [`${path}: ${textChange(before, after)}`];
  return [`${path}: ${shown(before)} => ${shown(after)}`];
}

function listDifferences(path: string, before: readonly unknown[], after: readonly unknown[]): string[] {
  const added = without(after, before);
  const removed = without(before, after);
  if (added.length === 0 && removed.length === 0) return [`${path}: order changed`];
  // Some entries changed in place, and all others stayed.
  const places = after.flatMap((value, index) => (isDeepStrictEqual(value, before[index]) ? [] : [index]));
  if (before.length === after.length && places.length === added.length) {
    return places.flatMap((index) => differences(`${path}[${index}]`, before[index], after[index]));
  }
  return [
    ...added.map((value) => `${path}: + ${shown(value)}`),
    ...removed.map((value) => `${path}: - ${shown(value)}`),
  ];
}

/** The entries of a list that the other lacks. Of equal entries, as many as it lacks. */
function without(list: readonly unknown[], other: readonly unknown[]): unknown[] {
  const left = [...other];
  return list.filter((value) => {
    const at = left.findIndex((each) => isDeepStrictEqual(each, value));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** The whole old text, and the new one without the words at its start and end that did not change. */
function textChange(before: string, after: string): string {
  const [old, now] = [before.split(" "), after.split(" ")];
  const shortest = Math.min(old.length, now.length);
  let start = 0;
  while (start < shortest && old[start] === now[start]) start++;
  let end = 0;
  while (end < shortest - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const middle = now.slice(start, now.length - end).join(" ");
  if (after.length < shortestElided || start + end < 2 || middle === "") return `${shown(before)} => ${shown(after)}`;
  return `${shown(before)} => ${JSON.stringify(`${start > 0 ? "… " : ""}${middle}${end > 0 ? " …" : ""}`)}`;
}

/** A value on one line, without quotes if it is a plain word. */
function shown(value: unknown): string {
  const isWord = typeof value === "string" && /^[\w./:@+~=-]+$/.test(value);
  if (isWord && Number.isNaN(Number(value)) && !/^(true|false|null)$/.test(value)) return value;
  return JSON.stringify(value);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
