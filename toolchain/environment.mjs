// Decides which Pulumi CLI runs and in which environment. Setup, the `pulumi` launcher, `npm start`, the project's own
// CLI and the tests all ask here, so there is one answer. The user's own choice wins everywhere: a variable that is set
// is never changed, and a part of Pulumi that is installed is never replaced by ours.
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

/** How many bytes of a script are searched for a mark of ours. */
const markDistance = 200;

/**
 * The CLI to run and the environment to run it in.
 * @param {string} [projectDirectory] The Pulumi project; by default this one. Its state goes to `.state/` in there.
 * @param {NodeJS.ProcessEnv} [environment] What the user has set; by default this process's environment.
 * @returns {{ cli: string, env: NodeJS.ProcessEnv, standIns: string[] }} the CLI's absolute path; a copy of the
 *   environment with what was missing added; and which parts of Pulumi are stand-ins of ours, by name.
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
  // The stand-ins and the official language host start `node` by name.
  if (findOnPath("node", environment).length === 0) additions.push(dirname(process.execPath));
  // Stand-ins of another checkout, from an `npx pulumi` there that led here, would win over ours.
  const own = (environment.PATH ?? "").split(delimiter).filter((directory) => !holdsStandIn(directory));
  env.PATH = [...own, ...additions].filter(Boolean).join(delimiter);
  return { cli, env, standIns: missing.map(({ name }) => name) };
}

/**
 * The backend URL for a directory. Without `metadata=skip` every state file gets a second file with its attributes, which is not
 * written at one stroke: a CLI killed at that moment leaves it empty, and the stack can't be read any more ("failed to load
 * checkpoint: EOF"). Nothing reads the attributes.
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
 * Whether state goes to the project's own directory (true) or to a backend that the user chose by PULUMI_BACKEND_URL.
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
  // The CLI's look for a newer version goes out to the network at every run, and the version is pinned here anyway.
  if (!environment.PULUMI_SKIP_UPDATE_CHECK) added.PULUMI_SKIP_UPDATE_CHECK = "true";
  // How many operations run side by side. The CLI takes four for each processor, but a bake waits rather than computes: on a computer
  // with two, eight images would keep all others of the stack waiting until the first is done.
  if (!environment.PULUMI_PARALLEL) added.PULUMI_PARALLEL = "64";
  if (!usesDefaultState(projectDirectory, environment)) return added;
  // An offer to explain errors that needs an account, and so leads nowhere with state of one's own.
  if (!environment.PULUMI_SUPPRESS_NEO_LINK) added.PULUMI_SUPPRESS_NEO_LINK = "true";
  const state = defaultState(projectDirectory);
  added.PULUMI_BACKEND_URL = state.url;
  // An empty PULUMI_CONFIG_PASSPHRASE is a choice too.
  if (environment.PULUMI_CONFIG_PASSPHRASE === undefined && !environment.PULUMI_CONFIG_PASSPHRASE_FILE)
    added.PULUMI_CONFIG_PASSPHRASE_FILE = state.passphraseFile;
  return added;
}

/**
 * Finds the CLI: an official one on PATH when it is new enough, else the one in Pulumi's own folder.
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
 * Every `pulumi` on PATH that is a program, in PATH's order. A script is never asked for its version: it may be the launcher of
 * another checkout, which asks the same of ours, and so on without end.
 * @param {NodeJS.ProcessEnv} environment
 */
export function officialClis(environment) {
  return findOnPath("pulumi", environment).filter(isProgram);
}

/**
 * Every `pulumi` on PATH that is a script and no launcher of this project, in any checkout: a wrapper or shim that could be anything.
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
 * A CLI's version, remembered by its path, size and time, because asking it costs more than all the rest of a launch.
 * @param {string} cli
 * @returns {string | undefined} undefined when it can't be run or says nothing that looks like a version.
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
      // What a version manager puts there may go on to the next `pulumi` on PATH, which may be a launcher.
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
    // The checkout, or only its cache, is another user's: the CLI is asked again the next time.
    if (!["EACCES", "EPERM", "EROFS"].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "")) throw error;
  }
}

/**
 * The parts of Pulumi that are not installed and for which this project brings a stand-in.
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
  // The engine puts a `.partial` file beside a plugin while it is being unpacked.
  return isExecutable(join(directory, "pulumi-resource-command")) && !existsSync(`${directory}.partial`);
}

/**
 * Whether a file is a program by its first bytes: ELF, or Mach-O in either byte order, 32 or 64 bits, for one or several processors.
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
 * Whether this is a stand-in of this project, in any checkout.
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
 * The first bytes of a file; none when it may be run but not read.
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
 * What a shell evaluates to get an environment.
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
