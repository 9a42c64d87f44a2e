// Reads JSON as `unknown`, so that callers must state what they expect.
import { readFileSync } from "node:fs";

/**
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  return JSON.parse(text);
}

/**
 * @param {string} file
 * @returns {unknown}
 */
export function readJson(file) {
  return parseJson(readFileSync(file, "utf8"));
}

/**
 * Reads a JSON file that may be missing.
 * @param {string} file
 * @returns {unknown} undefined if it doesn't exist.
 */
export function readJsonIfThere(file) {
  try {
    return readJson(file);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}
