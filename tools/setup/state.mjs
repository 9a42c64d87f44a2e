// The project's own state: a private directory with a passphrase for the stacks' secrets, and the stack `local`.
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { defaultState, toolchainEnvironment, usesDefaultState } from "../environment.mjs";
import { parseJson } from "../json.mjs";
import { ToolProblem } from "../problem.mjs";
import { run, say } from "./run.mjs";

/** What a new stack `local` is set to; docs/settings.md lists every key. */
const localSettings = `\
# The embedded cloud: containers and disks on this computer, no account needed. docs/settings.md lists every key.
config:
  ci-images:cloud: local
  ci-images:recipe: provision/recipes/jenkins-worker.yaml
  # How many earlier generations of an image stay beside the newest.
  ci-images:keep: "1"
`;

/** The stack that needs no account. Stacks of clouds are made by whoever has the account. */
const localStack = "local";

/**
 * Makes the directory and the passphrase where they are missing. Nothing, when the user chose a backend.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 */
export function prepareState(projectDirectory, environment) {
  if (!usesDefaultState(projectDirectory, environment)) return;
  const { directory, passphraseFile } = defaultState(projectDirectory);
  if (!existsSync(directory)) {
    say(`making ${directory} for Pulumi's state (set PULUMI_BACKEND_URL to keep it elsewhere)`);
    mkdirSync(directory, { mode: 0o700 });
  }
  if ((statSync(directory).mode & 0o777) !== 0o700) chmodSync(directory, 0o700);
  if (existsSync(passphraseFile)) {
    if ((statSync(passphraseFile).mode & 0o777) !== 0o600) chmodSync(passphraseFile, 0o600);
    return;
  }
  const ownPassphrase = environment.PULUMI_CONFIG_PASSPHRASE !== undefined || environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (hasStacks(directory) && !ownPassphrase)
    throw new ToolProblem(
      `${directory} has stacks, but their passphrase ${passphraseFile} is gone`,
      `restore that file, or set PULUMI_CONFIG_PASSPHRASE; where it is lost for good: remove ${directory} (its stacks' resources are then no longer tracked)`,
    );
  if (!ownPassphrase) forgetSalts(projectDirectory, passphraseFile);
  say(`making a random passphrase for the stacks' secrets: ${passphraseFile}`);
  const partial = `${passphraseFile}.${process.pid}`;
  writeFileSync(partial, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  renameSync(partial, passphraseFile);
}

/**
 * Takes the salts of a passphrase that is gone out of the stacks' files: with them Pulumi would call the new one incorrect.
 * @param {string} projectDirectory
 * @param {string} passphraseFile Where the passphrase was.
 * @throws {ToolProblem} where one of the files holds secrets, which nothing but that passphrase can read.
 */
function forgetSalts(projectDirectory, passphraseFile) {
  const salt = /^encryptionsalt:.*\n?/m;
  const stackFiles = readdirSync(projectDirectory).filter((name) => /^Pulumi\..+\.yaml$/.test(name));
  const salted = stackFiles
    .map((name) => ({ name, path: join(projectDirectory, name) }))
    .map((file) => ({ ...file, text: readFileSync(file.path, "utf8") }))
    .filter(({ text }) => salt.test(text));
  const locked = salted.filter(({ text }) => /^\s+(- )?secure:/m.test(text)).map(({ name }) => name);
  if (locked.length > 0)
    throw new ToolProblem(
      `${locked.join(", ")} has secrets, but the passphrase that they were encrypted with, ${passphraseFile}, is gone`,
      "restore that file, or set PULUMI_CONFIG_PASSPHRASE; where it is lost for good: remove the secrets (the entries with `secure:`) and set them again after setup",
    );
  for (const { name, path, text } of salted) {
    say(`taking the salt of a passphrase that is gone out of ${name}`);
    writeFileSync(path, text.replace(salt, ""));
  }
}

/** @param {string} directory */
function hasStacks(directory) {
  const stacks = join(directory, ".pulumi", "stacks");
  return existsSync(stacks) && readdirSync(stacks).length > 0;
}

/**
 * Makes the stack `local` where it is missing, in whatever backend is used.
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} environment
 */
export async function prepareStack(projectDirectory, environment) {
  const project = join(projectDirectory, "Pulumi.yaml");
  const { cli, env } = toolchainEnvironment(projectDirectory, environment);
  if (usesDefaultState(projectDirectory, environment)) {
    const name = /^name:\s*["']?([\w.-]+)/m.exec(readFileSync(project, "utf8"))?.[1] ?? "";
    const { directory } = defaultState(projectDirectory);
    if (existsSync(join(directory, ".pulumi", "stacks", name, `${localStack}.json`))) return;
  } else if (hasStack(cli, projectDirectory, env)) {
    return;
  }
  say(`making the stack ${localStack}, which bakes on this computer and needs no account`);
  const settings = join(projectDirectory, `Pulumi.${localStack}.yaml`);
  // Not in git: Pulumi writes the salt of this computer's passphrase into it.
  if (!existsSync(settings)) writeFileSync(settings, localSettings);
  await run(cli, ["stack", "init", localStack, "--non-interactive"], { cwd: projectDirectory, env });
}

/**
 * @param {string} cli
 * @param {string} projectDirectory
 * @param {NodeJS.ProcessEnv} env
 */
function hasStack(cli, projectDirectory, env) {
  const answer = execFileSync(cli, ["stack", "ls", "--json", "--non-interactive"], {
    cwd: projectDirectory,
    env,
    encoding: "utf8",
  });
  const stacks = /** @type {{ name: string }[]} */ (parseJson(answer));
  return stacks.some(({ name }) => name === localStack);
}
