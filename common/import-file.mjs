// Imports files whose paths are known only at run time: our main programs, the module library, and users' modules and
// transforms.
import { realpathSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { freshTranslation } from "./translation.mjs";

const project = dirname(dirname(fileURLToPath(import.meta.url))) + sep;

/**
 * Our own TypeScript as JavaScript: where each file is, by its path in the project. undefined in processes in which tsx
 * translates everything, such as tests.
 * @type {ReadonlyMap<string, string> | undefined}
 */
let translated;

/**
 * Starts one of our programs: imports its main file from the translation, which takes a fraction of the CPU time that
 * tsx needs to load it. Without a translation tsx loads it.
 * @param {string} file An absolute path.
 * @returns {Promise<Record<string, unknown>>}
 * @throws the import's errors.
 */
export async function importProgram(file) {
  const real = realpathSync(file);
  // A program that is not ours may import our files as they are, and each of them must be loaded only once.
  translated = await freshTranslation(project, relative(project, real));
  return await importFile(real);
}

/**
 * Imports a JavaScript or TypeScript file in any module format. By itself, Node assumes that a `.ts` or `.js` file
 * outside of this package is CommonJS, until it has parsed it.
 * @param {string} file An absolute path.
 * @returns {Promise<Record<string, unknown>>}
 * @throws the import's errors.
 */
export async function importFile(file) {
  const ready = translated?.get(relative(project, file));
  if (ready === undefined) await translateOnImport(file);
  /** @type {unknown} */
  const imported = await import(pathToFileURL(ready ?? file).href);
  const exported = /** @type {Record<string, unknown>} */ (imported);
  const whole = exported.default;
  // Node can't tell what a CommonJS file exports if tsx translates it, and has all of it only under `default`.
  const isUnnamed = whole !== null && typeof whole === "object" && Object.keys(exported).length === 1;
  return isUnnamed ? { default: whole, .../** @type {Record<string, unknown>} */ (whole) } : exported;
}

/** @type {Promise<void> | undefined} */
let modules;
/** @type {Promise<void> | undefined} */
let commonJs;

/**
 * Makes Node translate what it imports from now on. CommonJS only for files from outside: to look for TypeScript among
 * the hundreds of CommonJS files of Pulumi's SDK doubles the time to load them.
 * @param {string} file
 */
async function translateOnImport(file) {
  modules ??= import("tsx/esm/api").then(({ register }) => void register());
  if (!file.startsWith(project)) commonJs ??= import("tsx/cjs/api").then(({ register }) => void register());
  await Promise.all([modules, commonJs]);
}
