// The versions of the toolchain's parts, and their paths.
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJsonIfThere } from "./json.mjs";

/** The root of this project: the folder with Pulumi.yaml. */
export const projectDirectory = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The version of the Pulumi CLI that setup installs, and the oldest that it accepts. The program's SDK (@pulumi/pulumi)
 * has the same version, and the engine must not be older.
 */
export const pulumiVersion = "3.230.0";

/**
 * The versions of Node that this project's npm packages support, as in package.json.
 */
export const nodeRange = "^20.17.0 || >=22.9.0";

/**
 * Whether a version of Node is in {@link nodeRange}.
 * @param {string} version Such as `20.17.0`.
 */
export function isNodeSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return (major === 20 && minor >= 17) || (major === 22 && minor >= 9) || major > 22;
}

/**
 * Pulumi's own folder, shared by all projects of a user. It has CLIs under `versions/` and plugins under `plugins/`.
 * @param {NodeJS.ProcessEnv} environment
 */
export function pulumiHome(environment) {
  return environment.PULUMI_HOME || join(homedir(), ".pulumi");
}

/**
 * The path of the CLI of {@link pulumiVersion} in Pulumi's own folder, where `PulumiCommand.install` of the Automation
 * API puts it. It need not exist.
 * @param {NodeJS.ProcessEnv} environment
 */
export function installedCli(environment) {
  return join(pulumiHome(environment), "versions", pulumiVersion, "bin", "pulumi");
}

/**
 * The version of the command plugin that the installed npm package @pulumi/command needs.
 * @param {string} directory The project's folder.
 * @returns {string | undefined} e.g. `1.2.1`; undefined if the package is not installed.
 */
export function commandPluginVersion(directory) {
  const file = join(directory, "node_modules/@pulumi/command/package.json");
  const manifest = /** @type {{ version: string, pulumi?: { version?: string } } | undefined} */ (
    readJsonIfThere(file)
  );
  return (manifest?.pulumi?.version ?? manifest?.version)?.replace(/^v/, "");
}

/**
 * Compares two versions by their numbers; anything after a `-` or `+` is ignored.
 * @param {string} one
 * @param {string} other
 * @returns {number} below zero if `one` is older, zero if they are equal.
 */
export function compareVersions(one, other) {
  const [a, b] = [one, other].map((version) => version.replace(/^v/, "").split(/[-+]/)[0].split(".").map(Number));
  for (const place of [0, 1, 2]) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
