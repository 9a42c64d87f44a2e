// Decides which Pulumi CLI runs, and in which environment, for all users: setup, the `pulumi` launcher, `npm start`,
// the project's own CLI and the tests. The user's own choice always wins: a variable that is set is never changed, and
// an installed part of Pulumi is never replaced by ours.
//
//   node toolchain/environment.mjs    prints `export ...` lines, for `eval` in a shell that runs an official pulumi
import { execFileSync } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { readJsonIfThere } from "./json.mjs";
import { runTool, ToolProblem } from "./problem.mjs";
import {
  commandPluginVersion,
  compareVersions,
  installedCli,
  projectDirectory as ownProject,
  pulumiHome,
  pulumiVersion,
} from "./versions.mjs";

const standIns = join(ownProject, "toolchain", "offline");
const [languageHost, commandPlugin] = ["pulumi-language-nodejs", "pulumi-resource-command"];

/** How many bytes of a script are searched for one of our marks. */
const markDistance = 200;

/**
 * The CLI to run and its environment.
 * @param {string} [projectDirectory] The Pulumi project; by default this one. Its state is in its folder `.state/`.
 * @param {NodeJS.ProcessEnv} [environment] The user's environment; by default this process's.
 * @returns {{ cli: string, env: NodeJS.ProcessEnv, standIns: string[] }} the CLI's absolute path; a copy of the
 * environment with missing variables added; and the names of the parts of Pulumi that we substitute.
 * @throws {ToolProblem} when there is no CLI, with the command that installs it.
 */
export function toolchainEnvironment(projectDirectory = ownProject, environment = process.env) {
  const cli = findCli(environment);
  if (cli === undefined)
    throw new ToolProblem(
      `no Pulumi CLI of version ${pulumiVersion} or newer on PATH or at ${installedCli(environment)}`,
      "node toolchain/setup.mjs --for cloud (as any user), or install it: pulumi.com/docs/install",
    );
  const missing = missingParts(cli, environment);
  const env = { ...environment, ...settings(projectDirectory, environment) };
  const additions = missing.map(({ directory }) => directory);
  // Our substitutes and the official language host start `node` by name.
  if (findOnPath("node", environment).length === 0) additions.push(dirname(process.execPath));
  // Substitutes of another checkout, from an `npx pulumi` there that led here, would take precedence over ours.
  const own = (environment.PATH ?? "").split(delimiter).filter((directory) => !holdsStandIn(directory));
  env.PATH = [...own, ...additions].filter(Boolean).join(delimiter);
  return { cli, env, standIns: missing.map(({ name }) => name) };
}

/**
 * The backend URL for a directory. Without `metadata=skip` every state file gets a second file with its attributes,
 * which is not written atomically: a CLI killed at that moment leaves it empty, and the stack can't be read any more
 * ("failed to load checkpoint: EOF"). Nothing reads the attributes.
 * @param {string} directory Absolute.
 */
export function fileBackend(directory) {
  return `file://${directory}?metadata=skip`;
}

/**
 * The project's own state: a directory beside the program and, for its secrets, a passphrase in a private file in it.
 * @param {string} projectDirectory
 */
export function defaultState(projectDirectory) {
  const directory = join(resolve(projectDirectory), ".state");
  return { directory, url: fileBackend(directory), passphraseFile: join(directory, "passphrase") };
}

/**
 * Whether the state is in the project's own directory (true) or in a backend that the user chose with
 * PULUMI_BACKEND_URL.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 */
export function usesDefaultState(projectDirectory, environment) {
  return !environment.PULUMI_BACKEND_URL || environment.PULUMI_BACKEND_URL === defaultState(projectDirectory).url;
}

/**
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Record<string, string>} the variables that the user has not set.
 */
function settings(projectDirectory, environment) {
  /** @type {Record<string, string>} */
  const added = {};
  // The CLI's check for a newer version uses the network at every run, and the version is pinned here anyway.
  if (!environment.PULUMI_SKIP_UPDATE_CHECK) added.PULUMI_SKIP_UPDATE_CHECK = "true";
  // The number of parallel operations. The CLI's default is four per processor, but a bake waits rather than computes:
  // on two processors, eight images would block all others of the stack until the first is done.
  if (!environment.PULUMI_PARALLEL) added.PULUMI_PARALLEL = "64";
  if (!usesDefaultState(projectDirectory, environment)) return added;
  // Suppresses an offer to explain errors that needs a Pulumi account, which a local state doesn't have.
  if (!environment.PULUMI_SUPPRESS_NEO_LINK) added.PULUMI_SUPPRESS_NEO_LINK = "true";
  const state = defaultState(projectDirectory);
  added.PULUMI_BACKEND_URL = state.url;
  // An empty PULUMI_CONFIG_PASSPHRASE is a choice, too.
  if (environment.PULUMI_CONFIG_PASSPHRASE === undefined && !environment.PULUMI_CONFIG_PASSPHRASE_FILE)
    added.PULUMI_CONFIG_PASSPHRASE_FILE = state.passphraseFile;
  return added;
}

/**
 * Finds the CLI: an official one on PATH if it is new enough, else the one in Pulumi's own folder.
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string | undefined}
 */
export function findCli(environment) {
  for (const candidate of officialClis(environment)) {
    const version = cliVersion(candidate);
    if (version !== undefined && suits(version)) return candidate;
  }
  const installed = installedCli(environment);
  return isExecutable(installed) ? installed : undefined;
}

/**
 * Every `pulumi` on PATH that is a binary, in PATH's order. A script's version is never requested: it may be the
 * launcher of another checkout, which would ask ours, and so on forever.
 * @param {NodeJS.ProcessEnv} environment
 */
export function officialClis(environment) {
  return findOnPath("pulumi", environment).filter(isProgram);
}

/**
 * Every `pulumi` on PATH that is a script but not this project's launcher (of any checkout): an unknown wrapper or
 * shim.
 * @param {NodeJS.ProcessEnv} environment
 */
export function wrappedClis(environment) {
  return findOnPath("pulumi", environment).filter((path) => !isProgram(path) && !hasMark(path, "ci-images-launcher"));
}

/**
 * Whether a CLI can run this project: the same major version, and not older than the SDK.
 * @param {string} version
 */
export function suits(version) {
  return version.split(".")[0] === pulumiVersion.split(".")[0] && compareVersions(version, pulumiVersion) >= 0;
}

/**
 * A CLI's version, cached by its path, size and time, because asking costs more than the rest of a launch.
 * @param {string} cli
 * @returns {string | undefined} undefined if it can't be run or prints no version.
 */
export function cliVersion(cli) {
  const { size, mtimeMs } = statSync(cli);
  const key = `${realpathSync(cli)} ${size} ${mtimeMs}`;
  const cacheFile = join(ownProject, ".cache", "pulumi-cli.json");
  const cache = readCache(cacheFile);
  if (cache?.key === key) return cache.version;
  let answer;
  try {
    answer = execFileSync(cli, ["version"], {
      encoding: "utf8",
      // A version manager's shim may run the next `pulumi` on PATH, which may be a launcher.
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true", CI_IMAGES_LAUNCHER: "asking" },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
    });
  } catch {
    return undefined; // What does not run is no CLI for us: the search goes on, and setup says so.
  }
  const version = /^v?(\d+\.\d+\.\d+\S*)/.exec(answer.trim())?.[1];
  if (version === undefined) return undefined;
  remember(cacheFile, { key, version });
  return version;
}

/**
 * @param {string} file
 * @returns {{ key: string, version: string } | undefined}
 */
function readCache(file) {
  try {
    return /** @type {{ key: string, version: string } | undefined} */ (readJsonIfThere(file));
  } catch {
    return undefined; // Cut off by a crash: asked again and written anew.
  }
}

/**
 * @param {string} file
 * @param {{ key: string, version: string }} answer
 */
function remember(file, answer) {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(answer));
  } catch (error) {
    // The checkout, or only its cache, belongs to another user: the CLI is asked again next time.
    if (!["EACCES", "EPERM", "EROFS"].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "")) throw error;
  }
}

/**
 * The parts of Pulumi that are not installed and that this project substitutes.
 * @param {string} cli
 * @param {NodeJS.ProcessEnv} environment
 */
export function missingParts(cli, environment) {
  const missing = [];
  const onPath = (/** @type {string} */ name) => findOnPath(name, environment).some((path) => !isStandIn(path));
  if (!onPath(languageHost) && !isExecutable(join(dirname(realpathSync(cli)), languageHost)))
    missing.push({ name: "language host", directory: join(standIns, "language-host") });
  if (!onPath(commandPlugin) && !commandPluginIsInstalled(environment))
    missing.push({ name: "command plugin", directory: join(standIns, "command-plugin") });
  return missing;
}

/** @param {NodeJS.ProcessEnv} environment */
function commandPluginIsInstalled(environment) {
  const version = commandPluginVersion(ownProject);
  if (version === undefined) return false;
  const directory = join(pulumiHome(environment), "plugins", `resource-command-v${version}`);
  // The engine creates a `.partial` file beside a plugin while unpacking it.
  return isExecutable(join(directory, "pulumi-resource-command")) && !existsSync(`${directory}.partial`);
}

/**
 * Whether a file is a binary, by its first bytes: ELF, or Mach-O in either byte order, 32 or 64 bits, for one or
 * several processors.
 * @param {string} path
 */
function isProgram(path) {
  const magic = head(path, 4).toString("hex");
  return ["7f454c46", "feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "cafebabf"].includes(magic);
}

/** @param {string} directory */
function holdsStandIn(directory) {
  return [languageHost, commandPlugin].some((name) => {
    const path = resolve(directory, name);
    return isExecutable(path) && isStandIn(path);
  });
}

/**
 * Whether this is a substitute of this project, in any checkout.
 * @param {string} path
 */
function isStandIn(path) {
  return hasMark(path, "ci-images-stand-in");
}

/**
 * @param {string} path
 * @param {string} mark
 */
function hasMark(path, mark) {
  return head(path, markDistance).includes(mark);
}

/**
 * The first bytes of a file; empty if it is executable but not readable.
 * @param {string} path
 * @param {number} length
 */
function head(path, length) {
  const bytes = Buffer.alloc(length);
  let file;
  try {
    file = openSync(path, "r");
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EACCES") throw error;
    return bytes.subarray(0, 0);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string[]} absolute paths.
 */
export function findOnPath(name, environment) {
  const directories = (environment.PATH ?? "").split(delimiter).filter(Boolean);
  return directories.map((directory) => resolve(directory, name)).filter(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** @param {string} text */
export function quoteForShell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Shell code that sets an environment.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]} `export ...` lines, for what differs from this process's environment.
 */
export function exportLines(env) {
  const changed = Object.entries(env).filter(([name, value]) => process.env[name] !== value);
  return changed.map(([name, value]) => `export ${name}=${quoteForShell(value ?? "")}`);
}

function main() {
  const { env } = toolchainEnvironment();
  const state = defaultState(ownProject);
  if (env.PULUMI_BACKEND_URL === state.url && !existsSync(state.passphraseFile))
    throw new ToolProblem(`${state.directory} has not been set up yet`, "node toolchain/setup.mjs --for cloud");
  process.stdout.write(`${exportLines(env).join("\n")}\n`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) await runTool(main);
