// Compares a resource's old and new inputs, with the paths and kinds of changes that the engine shows in a preview.
import { isDeepStrictEqual } from "node:util";
import { isObject, revealAll } from "./values.mjs";

/** @typedef {"add" | "delete" | "update"} Kind */

/**
 * Compares two sets of inputs. Whether a value is secret does not matter.
 * @param {import("./values.mjs").Properties} olds
 * @param {import("./values.mjs").Properties} news
 * @returns {Map<string, Kind>} by path: `connection.host`, `triggers[1]`.
 */
export function difference(olds, news) {
  /** @type {Map<string, Kind>} */
  const changes = new Map();
  compare(revealAll(olds), revealAll(news), "", changes);
  return changes;
}

/**
 * @param {unknown} before
 * @param {unknown} after
 * @param {string} path
 * @param {Map<string, Kind>} changes
 */
function compare(before, after, path, changes) {
  if (isDeepStrictEqual(before, after)) return;
  if (before === undefined || before === null) changes.set(path, "add");
  else if (after === undefined || after === null) changes.set(path, "delete");
  else if (Array.isArray(before) && Array.isArray(after))
    for (let index = 0; index < Math.max(before.length, after.length); index++)
      compare(before[index], after[index], `${path}[${index}]`, changes);
  else if (isObject(before) && isObject(after))
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare(before[key], after[key], childPath(path, key), changes);
  else changes.set(path, "update");
}

/**
 * @param {string} path
 * @param {string} key
 */
function childPath(path, key) {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
