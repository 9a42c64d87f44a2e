// Reading JSON as `unknown`, so that whoever reads has to say what they expect.
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
 * @param {string} file
 * @returns {unknown} undefined when there is no such file.
 */
export function readJsonIfThere(file) {
  try {
    return readJson(file);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}
