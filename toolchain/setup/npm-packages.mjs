// Installs the npm packages if they differ from package-lock.json.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readJson, readJsonIfThere } from "../json.mjs";
import { run, say, withLock } from "./run.mjs";

/**
 * @typedef {{ version?: string, resolved?: string, optional?: boolean, peer?: boolean, devOptional?: boolean }}
 *   LockedPackage
 */
/** @typedef {{ packages: Record<string, LockedPackage> }} Lock */

/**
 * Compares package-lock.json with npm's own record of the installation. The files' times don't help: after a fresh
 * clone, package-lock.json is newer than a restored node_modules.
 * @param {string} directory The project's folder.
 * @returns {string | undefined} why the packages must be installed; undefined if they are up to date.
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
    // npm skips optional packages that don't fit this computer.
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
 * @returns {string | undefined} which command is missing. npm's record does not list commands.
 */
function whyCommands(directory) {
  const missing = commands.find((name) => !existsSync(join(directory, "node_modules/.bin", name)));
  return missing === undefined ? undefined : `node_modules/.bin/${missing} is missing`;
}

/**
 * Runs `npm ci` if necessary.
 * @param {string} directory
 */
export async function installNpmPackages(directory) {
  const why = () => whyNpmPackages(directory) ?? whyCommands(directory);
  if (why() === undefined) return;
  await withLock(join(directory, ".cache", "setup.lock"), async () => {
    const reason = why();
    if (reason === undefined) return; // The setup that we waited for has installed them.
    say(`installing the npm packages with npm ci: ${reason}`);
    // No package needs its install script; some scripts would compile or download something optional.
    const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    // With NODE_ENV=production, npm would leave out what we then miss: each setup would install again, under running
    // bakes.
    options.push("--include=dev");
    await run("npm", ["ci", ...options], { cwd: directory });
  });
}
