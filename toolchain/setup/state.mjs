// Creates the project's own state: a private directory, a passphrase for the stacks' secrets, and stacks.
import { createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  renameSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { chosenBackend, defaultState, toolchainEnvironment, usesDefaultState } from "../environment.mjs";
import { parseJson } from "../json.mjs";
import { ToolProblem } from "../problem.mjs";
import { shortName } from "../stack-name.mjs";
import { run, say } from "./run.mjs";

/** The line with the salt in a stack's settings. */
const saltLine = /^encryptionsalt: *(.*)\n?/m;

/** The line with a key service's key in a stack's settings. */
const keyLine = /^encryptedkey:/m;

/** The settings of a new stack `local`; docs/settings.md lists every key. */
const localSettings = `\
# The embedded cloud: containers and disks on this computer, no account needed. docs/settings.md lists every key.
config:
  ci-images:cloud: local
  ci-images:recipe: provision/recipes/jenkins-worker.yaml
  # How many earlier generations of an image are kept.
  ci-images:keep: "1"
`;

/** The stack that needs no account. Users create the clouds' stacks themselves. */
export const localStack = "local";

/**
 * Refuses a state directory that this user can't access: Pulumi would treat it as empty. Does nothing if the user chose
 * a backend.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @throws {ToolProblem} with the owner and the cure.
 */
export function refuseForeignState(projectDirectory, environment) {
  if (!usesDefaultState(projectDirectory, environment)) return;
  const { directory, passphraseFile } = defaultState(projectDirectory);
  if (!existsSync(directory)) return;
  const path = firstForbidden(directory, passphraseFile);
  if (path === undefined) return;
  if (whyForbidden(path, constants.W_OK) === "EROFS")
    throw new ToolProblem(`${path} can't be written to: its file system is read-only`, elsewhere);
  const { uid, mode } = statSync(path);
  const owner = uid === 0 ? "root" : `user ${uid}`;
  throw new ToolProblem(
    `${path} belongs to ${owner} (mode 0${(mode & 0o777).toString(8)}); user ${process.getuid?.()} can't use it`,
    `run as ${owner}, or take it over: sudo chown -R "$(id -u)" ${directory}; or ${elsewhere}`,
  );
}

/**
 * Finds the first part of the state that this user can't access.
 * @param {string} directory
 * @param {string} passphraseFile
 * @returns {string | undefined} its path.
 */
function firstForbidden(directory, passphraseFile) {
  const { R_OK, W_OK, X_OK } = constants;
  if (isForbidden(directory, R_OK | W_OK | X_OK)) return directory;
  if (existsSync(passphraseFile) && isForbidden(passphraseFile, R_OK)) return passphraseFile;
  // Pulumi's own folders, by kind and project: locks, stacks, history, backups.
  for (let level = 0, folders = [join(directory, ".pulumi")]; level < 3; level++) {
    const there = folders.filter((folder) => existsSync(folder));
    const forbidden = there.find((folder) => isForbidden(folder, R_OK | W_OK | X_OK));
    if (forbidden !== undefined) return forbidden;
    folders = there.flatMap((folder) =>
      readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => join(folder, name)),
    );
  }
  return undefined;
}

const elsewhere = "keep this user's state elsewhere: set PULUMI_BACKEND_URL and PULUMI_CONFIG_PASSPHRASE";

/** The errors of a file that this user may not use: by its mode, by a security module, on a read-only file system. */
const refusals = ["EACCES", "EPERM", "EROFS"];

/**
 * @param {string} path
 * @param {number} access
 */
function isForbidden(path, access) {
  return whyForbidden(path, access) !== undefined;
}

/**
 * @param {string} path
 * @param {number} access
 * @returns {string | undefined} the error's code; undefined if the access is allowed.
 */
function whyForbidden(path, access) {
  try {
    accessSync(path, access);
    return undefined;
  } catch (error) {
    const { code = "" } = /** @type {NodeJS.ErrnoException} */ (error);
    if (refusals.includes(code)) return code;
    throw error;
  }
}

/**
 * Creates the directory and the passphrase if they are missing. Does nothing if the user chose a backend.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @param {(line: string) => void} [tell] Receives progress lines.
 * @throws {ToolProblem} when the directory belongs to another user, or has stacks whose passphrase is lost.
 */
export function prepareState(projectDirectory, environment, tell = say) {
  if (!usesDefaultState(projectDirectory, environment)) return;
  refuseForeignState(projectDirectory, environment);
  const { directory, passphraseFile } = defaultState(projectDirectory);
  if (!existsSync(directory)) {
    tell(`making ${directory} for Pulumi's state (set PULUMI_BACKEND_URL to keep it elsewhere)`);
    makeDirectory(directory);
  }
  makePrivate(directory, 0o700);
  if (existsSync(passphraseFile)) return makePrivate(passphraseFile, 0o600);
  const ownPassphrase = environment.PULUMI_CONFIG_PASSPHRASE !== undefined || environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (hasStacks(directory) && !ownPassphrase)
    throw new ToolProblem(
      `${directory} has stacks, but their passphrase ${passphraseFile} is gone`,
      `restore that file, or set PULUMI_CONFIG_PASSPHRASE; if it is lost for good, remove ${directory} (its stacks' resources are then no longer tracked)`,
    );
  tell(`making a random passphrase for the stacks' secrets: ${passphraseFile}`);
  const partial = `${passphraseFile}.${process.pid}`;
  writeFileSync(partial, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  try {
    // Unlike a rename, this keeps the passphrase of another first command that runs at the same time.
    linkSync(partial, passphraseFile);
  } catch (error) {
    const { code = "" } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === "EEXIST") return;
    // Not every file system has links.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
    renameSync(partial, passphraseFile);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** @param {string} directory */
function makeDirectory(directory) {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const { code = "" } = /** @type {NodeJS.ErrnoException} */ (error);
    // Another first command has made it meanwhile.
    if (code === "EEXIST") return;
    if (!refusals.includes(code)) throw error;
    throw new ToolProblem(
      `user ${process.getuid?.()} can't write to ${dirname(directory)} (${code}), where Pulumi's state goes`,
      `use your own checkout, or ${elsewhere}`,
    );
  }
}

/**
 * Removes other users' permissions, if we are the owner or root.
 * @param {string} path
 * @param {number} mode
 */
function makePrivate(path, mode) {
  const found = statSync(path);
  const isOurs = [0, found.uid].includes(process.getuid?.() ?? 0);
  if (isOurs && (found.mode & 0o777) !== mode) chmodSync(path, mode);
}

/** @param {string} settings The text of a stack's settings. */
function hasSecrets(settings) {
  return /^\s+(- )?secure:/m.test(settings);
}

/**
 * Prepares a stack's settings before the stack is made: removes a salt with which Pulumi would refuse the passphrase as
 * incorrect, if it is this checkout's own, and refuses settings of a stack that is in another state.
 * @param {string} stack The stack's name, or ORGANIZATION/PROJECT/NAME.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @param {(line: string) => void} [tell] Receives progress lines.
 * @param {{ isAsked?: boolean }} [options] `isAsked`: the user typed `stack init`. Otherwise the stack is made because
 *   it is missing, which may be a mistake.
 * @throws {ToolProblem} when the stack seems to be in another state, or the settings have secrets that need another
 *   passphrase.
 */
export function releaseSettings(stack, projectDirectory, environment, tell = say, { isAsked = false } = {}) {
  const name = `Pulumi.${shortName(stack)}.yaml`;
  const path = join(projectDirectory, name);
  if (!existsSync(path)) return;
  const file = { name, path, text: readFileSync(path, "utf8") };
  if (usesDefaultState(projectDirectory, environment)) keepOrForget(file, projectDirectory, environment, tell, isAsked);
  else leaveOwnState(file, projectDirectory, environment, tell);
}

/** @typedef {{ name: string, path: string, text: string }} Settings A stack's settings file. */

/**
 * For a stack that will be in the project's own state. A salt of another passphrase means that the stack is in another
 * state, as a rule the shared backend of a team, whose settings are in git. An empty stack of the same name would take
 * that stack's images for its own. Only the settings of the stack `local` are never in git.
 * @param {Settings} settings
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @param {(line: string) => void} tell
 * @param {boolean} isAsked
 */
function keepOrForget({ name, path, text }, projectDirectory, environment, tell, isAsked) {
  const salt = saltLine.exec(text)?.[1];
  if (salt === undefined && (isAsked || !keyLine.test(text))) return;
  const { passphraseFile } = defaultState(projectDirectory);
  const chosen = chosenPassphrase(environment);
  const own = chosen ?? readFileSync(passphraseFile, "utf8").trim();
  // A passphrase that the user has set may be the team's.
  const isTrusted = isAsked || chosen === undefined || name === `Pulumi.${localStack}.yaml`;
  if (salt !== undefined && isTrusted && isSaltOf(salt, own)) return;
  if (name !== `Pulumi.${localStack}.yaml`) {
    const line = salt === undefined ? "encryptedkey" : "encryptionsalt";
    const secrets = hasSecrets(text) ? " and the secrets (the entries with `secure:`)" : "";
    const fits = salt !== undefined && isSaltOf(salt, own);
    const again = fits ? ", or run `npx pulumi stack init` yourself: the passphrase that is set fits" : "";
    throw new ToolProblem(
      `${name} seems to belong to a stack in another state than ${dirname(passphraseFile)}: it has an \`${line}\``,
      `for a team's stack, set PULUMI_BACKEND_URL (docs/teams.md); to begin with an empty stack here, remove the line \`${line}\`${secrets} from ${name}${again}`,
    );
  }
  if (hasSecrets(text))
    throw new ToolProblem(
      `${name} has secrets that are encrypted with another passphrase than ${chosen === undefined ? passphraseFile : "the one that is set"}`,
      "restore that passphrase, or set PULUMI_CONFIG_PASSPHRASE; if it is lost for good, remove the secrets (the entries with `secure:`), and set them again after setup",
    );
  tell(`removing the salt of a lost passphrase from ${name}`);
  writeFileSync(path, text.replace(saltLine, ""));
}

/**
 * For a stack that will be in a shared backend with another passphrase.
 * @param {Settings} settings
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @param {(line: string) => void} tell
 */
function leaveOwnState({ name, path, text }, projectDirectory, environment, tell) {
  const { passphraseFile } = defaultState(projectDirectory);
  if (!existsSync(passphraseFile) || isForbidden(passphraseFile, constants.R_OK)) return;
  const salt = saltLine.exec(text)?.[1];
  const own = readFileSync(passphraseFile, "utf8").trim();
  if (salt === undefined || own === chosenPassphrase(environment) || !isSaltOf(salt, own)) return;
  if (hasSecrets(text))
    throw new ToolProblem(
      `${name} has secrets that are encrypted with ${passphraseFile}; the stack in ${describeBackend(projectDirectory, environment)} has another passphrase`,
      "remove the secrets (the entries with `secure:`), make the stack, and set them again with `npx pulumi config set --secret`",
    );
  tell(`removing the salt of ${passphraseFile} from ${name}: the stack gets the shared backend's secrets provider`);
  writeFileSync(path, text.replace(saltLine, ""));
}

/**
 * The chosen backend's URL without its user and password.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 */
function describeBackend(projectDirectory, environment) {
  return chosenBackend(projectDirectory, environment)?.replace(/\/\/[^/]*@/, "//");
}

/**
 * The passphrase that the user has set; undefined if there is none. Pulumi itself reports a missing file.
 * @param {NodeJS.ProcessEnv} environment
 */
function chosenPassphrase(environment) {
  if (environment.PULUMI_CONFIG_PASSPHRASE !== undefined) return environment.PULUMI_CONFIG_PASSPHRASE;
  const file = environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  return file && existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

/**
 * Whether a stack's salt belongs to a passphrase. The salt contains the word "pulumi", encrypted with it.
 * https://github.com/pulumi/pulumi/blob/v3.230.0/pkg/secrets/passphrase/manager.go
 * @param {string} salt `v1:SALT:v1:NONCE:MESSAGE`, the last three in base64.
 * @param {string} passphrase
 */
function isSaltOf(salt, passphrase) {
  const [version, bytes, cipher, nonce, message] = salt.split(":");
  if (version !== "v1" || cipher !== "v1" || message === undefined) return false;
  const key = pbkdf2Sync(passphrase, Buffer.from(bytes, "base64"), 1_000_000, 32, "sha256");
  const sealed = Buffer.from(message, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
  decipher.setAuthTag(sealed.subarray(-16));
  const word = decipher.update(sealed.subarray(0, -16)).toString();
  try {
    decipher.final();
  } catch {
    return false; // The tag does not match, so it was another passphrase.
  }
  return word === "pulumi";
}

/** @param {string} directory */
function hasStacks(directory) {
  const stacks = join(directory, ".pulumi", "stacks");
  return existsSync(stacks) && readdirSync(stacks).length > 0;
}

/**
 * Creates a stack in the current backend, if it is missing.
 * @param {string} name `local`, or a stack whose settings exist.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 * @param {(line: string) => void} [tell] Receives progress lines.
 */
export async function prepareStack(name, projectDirectory, environment, tell = say) {
  const project = join(projectDirectory, "Pulumi.yaml");
  const { cli, env } = toolchainEnvironment(projectDirectory, environment);
  if (usesDefaultState(projectDirectory, environment)) {
    const projectName = /^name:\s*["']?([\w.-]+)/m.exec(readFileSync(project, "utf8"))?.[1] ?? "";
    const { directory } = defaultState(projectDirectory);
    const file = join(directory, ".pulumi", "stacks", projectName, `${name}.json`);
    // PULUMI_DIY_BACKEND_GZIP and _ZSTD compress it.
    if (["", ".gz", ".zst"].some((ending) => existsSync(`${file}${ending}`))) return;
  } else if (hasStack(name, cli, projectDirectory, env)) {
    return;
  }
  const isLocal = name === localStack;
  releaseSettings(name, projectDirectory, environment, tell);
  tell(`making the stack ${name}${isLocal ? ", which bakes on this computer and needs no account" : ""}`);
  const settings = join(projectDirectory, `Pulumi.${name}.yaml`);
  // This file is not in git, because Pulumi writes the salt of this computer's passphrase into it.
  if (isLocal && !existsSync(settings)) writeFileSync(settings, localSettings);
  const words = ["stack", "init", name, "--non-interactive", ...(isLocal ? [] : ["--no-select"])];
  await run(cli, words, { cwd: projectDirectory, env, output: isLocal ? "inherit" : process.stderr });
}

/**
 * @param {string} name
 * @param {string} cli
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} env
 * @throws {ToolProblem} if the backend doesn't answer, or refuses us.
 */
function hasStack(name, cli, projectDirectory, env) {
  let answer;
  try {
    answer = execFileSync(cli, ["stack", "ls", "--json", "--non-interactive"], {
      cwd: projectDirectory,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch {
    throw new ToolProblem(
      `the stacks in ${describeBackend(projectDirectory, env)} can't be listed, see above`,
      "check the backend's URL (PULUMI_BACKEND_URL, or backend.url in Pulumi.yaml), your credentials (npx pulumi login) and the network",
    );
  }
  const stacks = /** @type {{ name: string }[]} */ (parseJson(answer));
  return stacks.some((stack) => stack.name === name);
}
