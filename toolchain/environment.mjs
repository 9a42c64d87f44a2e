// Decides which Pulumi CLI runs and in which environment, for setup, the `pulumi` launcher, `npm start`, the project's
// own CLI and the tests. The user's choice always wins: variables that are set are never changed, except for an SSH
// agent that is gone, and installed parts of Pulumi are never replaced by ours.
//
//   node toolchain/environment.mjs    prints `export ...` lines for a shell that runs an official pulumi (use `eval`)
import { execFileSync, spawnSync } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
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

/** The number of bytes at the start of a script that are searched for one of our marks. */
const markDistance = 200;

/**
 * Returns the CLI to run and its environment.
 * @param {string} [projectDirectory] The Pulumi project; by default this one.
 * @param {NodeJS.ProcessEnv} [environment] The user's environment; by default this process's.
 * @returns {{ cli: string, env: NodeJS.ProcessEnv, standIns: string[] }} the CLI's absolute path; the environment with
 * missing variables added; and the names of the parts of Pulumi that we substitute.
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
  // If `npx pulumi` of another checkout led here, that checkout's substitutes are on PATH. Ours must be used.
  const own = (environment.PATH ?? "").split(delimiter).filter((directory) => !holdsStandIn(directory));
  env.PATH = [...own, ...additions].filter(Boolean).join(delimiter);
  // The official command plugin dials the agent even if it has a key, and fails if nothing answers. Empty and not
  // deleted, because callers add these variables to their own.
  if (isDeadSocket(environment.SSH_AUTH_SOCK)) env.SSH_AUTH_SOCK = "";
  return { cli, env, standIns: missing.map(({ name }) => name) };
}

/**
 * The backend URL for a directory. `metadata=skip` omits the second file with attributes that Pulumi would write for
 * every state file. Nothing reads these attributes, and the file is not written atomically: if the CLI is killed at
 * that moment, the stack can't be read any more ("failed to load checkpoint: EOF").
 * @param {string} directory Absolute.
 */
export function fileBackend(directory) {
  // Only what has a meaning in URLs: other folders keep the URL that their users may have in PULUMI_BACKEND_URL.
  return `file://${directory.replaceAll(/[%#?]/g, encodeURIComponent)}?metadata=skip`;
}

/**
 * The project's own state: a directory next to the program. A private file in it has the passphrase for the secrets.
 * @param {string} projectDirectory
 */
export function defaultState(projectDirectory) {
  const directory = join(resolve(projectDirectory), ".state");
  return { directory, url: fileBackend(directory), passphraseFile: join(directory, "passphrase") };
}

/**
 * Whether the state is in the project's own directory, not in a backend that the user chose.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 */
export function usesDefaultState(projectDirectory, environment) {
  const chosen = chosenBackend(projectDirectory, environment);
  return chosen === undefined || chosen === defaultState(projectDirectory).url;
}

/**
 * The URL of the backend that the user chose: PULUMI_BACKEND_URL, or else `backend.url` in Pulumi.yaml. Pulumi goes by
 * them in the same order. undefined if there is none.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @returns {string | undefined}
 */
export function chosenBackend(projectDirectory, environment) {
  if (environment.PULUMI_BACKEND_URL) return environment.PULUMI_BACKEND_URL;
  const file = join(projectDirectory, "Pulumi.yaml");
  if (!existsSync(file)) return undefined;
  // Setup runs before any npm package is installed, so there is no YAML parser yet.
  const text = readFileSync(file, "utf8").replaceAll(/^[ \t]*#.*\n/gm, "");
  const section = /^backend:.*(?:\n[ \t]+.*|\n[ \t]*(?=\n))*/m.exec(text)?.[0] ?? "";
  return /(?:^[ \t]+|[{,]\s*)["']?url["']?:[ \t]*["']?([^\s"',}]+)/m.exec(section)?.[1];
}

/**
 * Whether nothing answers at the socket of an SSH agent, as in a terminal that outlived its login.
 * @param {string | undefined} path The value of SSH_AUTH_SOCK.
 */
function isDeadSocket(path) {
  if (!path) return false;
  if (!existsSync(path)) return true;
  // Linux lists the sockets that are listened at. Those of other containers, and those of macOS, must be dialled.
  const list = "/proc/net/unix";
  if (existsSync(list) && readFileSync(list, "utf8").includes(` ${realpathSync(path)}\n`)) return false;
  const dial = 'require("node:net").connect(process.argv[1]).on("connect", process.exit)';
  return spawnSync(process.execPath, ["-e", dial, path], { stdio: "ignore", timeout: 5000 }).status === 1;
}

/**
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Record<string, string>} our values for variables that the user has not set.
 */
function settings(projectDirectory, environment) {
  /** @type {Record<string, string>} */
  const added = {};
  // The check for a newer version uses the network at every run, and this project pins the version anyway.
  if (!environment.PULUMI_SKIP_UPDATE_CHECK) added.PULUMI_SKIP_UPDATE_CHECK = "true";
  // The CLI's default is four parallel operations per processor. But a bake mostly waits: on two processors, eight
  // images would block all others of the stack until the first is done.
  if (!environment.PULUMI_PARALLEL) added.PULUMI_PARALLEL = "64";
  if (!usesDefaultState(projectDirectory, environment)) return added;
  // Suppresses the offer to explain errors, which needs a Pulumi account.
  if (!environment.PULUMI_SUPPRESS_NEO_LINK) added.PULUMI_SUPPRESS_NEO_LINK = "true";
  const state = defaultState(projectDirectory);
  added.PULUMI_BACKEND_URL = state.url;
  // An empty PULUMI_CONFIG_PASSPHRASE is the user's choice, too.
  if (environment.PULUMI_CONFIG_PASSPHRASE === undefined && !environment.PULUMI_CONFIG_PASSPHRASE_FILE)
    added.PULUMI_CONFIG_PASSPHRASE_FILE = state.passphraseFile;
  return added;
}

/**
 * Finds the CLI: the first suitable one on PATH, else the one in Pulumi's own folder.
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
 * Every `pulumi` on PATH that is a binary, in PATH's order. Scripts are never run: one could be the launcher of another
 * checkout, which would run ours, and so on forever.
 * @param {NodeJS.ProcessEnv} environment
 */
export function officialClis(environment) {
  return findOnPath("pulumi", environment).filter(isProgram);
}

/**
 * Every `pulumi` on PATH that is a script, such as a wrapper or shim, but not the launcher of a checkout of this
 * project.
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
 * A CLI's version. Running it takes longer than the rest of a launch, so the answer is cached by path, size and time.
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
      // It could be a version manager's shim that runs the next `pulumi` on PATH, which could be our launcher.
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true", CI_IMAGES_LAUNCHER: "asking" },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
    });
  } catch {
    return undefined; // The search continues, and setup reports a CLI that does not run.
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
    return undefined; // A crash has cut it off; it will be overwritten.
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
    // The cache belongs to another user, so the CLI runs again next time.
    if (!["EACCES", "EPERM", "EROFS"].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? "")) throw error;
  }
}

/**
 * The parts of Pulumi that are not installed, so that this project's substitutes are used.
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
  // The engine creates a file `.partial` next to a plugin while it unpacks it.
  return isExecutable(join(directory, "pulumi-resource-command")) && !existsSync(`${directory}.partial`);
}

/**
 * Whether a file is a binary, by its first bytes: ELF or any kind of Mach-O.
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
 * @returns {string[]} an `export ...` line for each variable that differs from this process's environment.
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
