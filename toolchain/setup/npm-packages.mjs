// The npm packages: installed when they are not what package-lock.json says.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readJson, readJsonIfThere } from "../json.mjs";
import { run, say, withLock } from "./run.mjs";

/** @typedef {{ version?: string, resolved?: string, optional?: boolean, peer?: boolean, devOptional?: boolean }} LockedPackage */
/** @typedef {{ packages: Record<string, LockedPackage> }} Lock */

/**
 * Compares what is to be installed with npm's own record of what is. The files' times say nothing: a fresh clone's
 * package-lock.json is always newer than a restored node_modules.
 * @param {string} directory The project's folder.
 * @returns {string | undefined} why the packages must be installed; undefined when they need not.
 */
export function whyNpmPackages(directory) {
  const wanted = /** @type {Lock} */ (readJson(join(directory, "package-lock.json")));
  const installed = /** @type {Lock | undefined} */ (
    readJsonIfThere(join(directory, "node_modules/.package-lock.json"))
  );
  if (installed === undefined) return "they are not installed";
  for (const [path, { version, optional, devOptional, peer }] of Object.entries(wanted.packages)) {
    if (path === "") continue;
    const found = installed.packages[path];
    // What is optional is left out where it does not fit this computer.
    if (found === undefined && (optional || devOptional || peer)) continue;
    if (found === undefined) return `package-lock.json has ${path}, which is not installed`;
    if (found.version !== version) return `package-lock.json has ${path} ${version}, installed is ${found.version}`;
  }
  return undefined;
}

/** Commands that `npx` and the tools start. */
const commands = ["ci-images", "pulumi", "tsx"];

/**
 * @param {string} directory
 * @returns {string | undefined} which command is missing, as npm does not put it in its record.
 */
function whyCommands(directory) {
  const missing = commands.find((name) => !existsSync(join(directory, "node_modules/.bin", name)));
  return missing === undefined ? undefined : `node_modules/.bin/${missing} is missing`;
}

/**
 * Runs `npm ci` where it is needed.
 * @param {string} directory
 */
export async function installNpmPackages(directory) {
  const why = () => whyNpmPackages(directory) ?? whyCommands(directory);
  if (why() === undefined) return;
  await withLock(join(directory, ".cache", "setup.lock"), async () => {
    const reason = why();
    if (reason === undefined) return; // The setup that we waited for has installed them.
    say(`installing the npm packages with npm ci: ${reason}`);
    // No package here needs its install script; some would compile or download something that is optional.
    const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    await run("npm", ["ci", ...options], { cwd: directory });
  });
}
