// Digests of files and folders by their content, the same on every computer.
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";

/** What {@link digestOf} found. */
export interface ContentDigest {
  sha256: string;
  isDirectory: boolean;
}

/** sha256 of a text, in hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * sha256 of a value by its JSON with all keys in order: two values that say the same have the same digest.
 * @param value Anything that JSON can hold.
 */
export function digestOfValue(value: unknown): string {
  return sha256(JSON.stringify(inOrder(value)) ?? "undefined");
}

/**
 * sha256 of a file's content; of a folder, of the names and contents of everything in it. Times, owners and modes do not
 * count: they are not carried to the builder.
 * @throws the file system's error when something in it can't be read.
 */
export function digestOf(path: string): ContentDigest {
  const isDirectory = statSync(path).isDirectory();
  if (!isDirectory) return { sha256: createHash("sha256").update(readFileSync(path)).digest("hex"), isDirectory };
  return { sha256: digestOfValue(entries(path, "")), isDirectory };
}

function entries(folder: string, prefix: string): string[][] {
  const names = readdirSync(folder).sort();
  return names.flatMap((name) => {
    const path = join(folder, name);
    const label = prefix + name;
    const facts = lstatSync(path);
    if (facts.isSymbolicLink()) return [["link", label, readlinkSync(path)]];
    if (facts.isDirectory()) return [["folder", label], ...entries(path, `${label}/`)];
    return [["file", label, digestOf(path).sha256]];
  });
}

/** A copy of a value in which all mappings have their keys in alphabetical order. */
export function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== "object") return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, item]) => [key, inOrder(item)]));
}
