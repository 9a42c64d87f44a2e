// Prepares the environment, state and stack for a `pulumi` command; called by toolchain/launcher/bin/pulumi. Needs only
// Node and the npm packages, neither root nor Debian's packages.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { exportLines, quoteForShell, toolchainEnvironment, usesDefaultState } from "./environment.mjs";
import { runTool } from "./problem.mjs";
import { prepareStack, prepareState, releaseSettings } from "./setup/state.mjs";
import { shortName } from "./stack-name.mjs";
import { projectDirectory } from "./versions.mjs";

/** Commands that use no stack. `npm ci` runs one of them for the command plugin. */
const stateless = ["about", "completion", "gen-completion", "help", "install", "plugin", "schema", "version"];

/** Commands before which we create the stack if its settings exist. */
const stackMaking = ["config", "pre", "preview", "up", "update"];

/** Pulumi's options that may come before the command and have a value in the next word. */
const valued = [
  "-s",
  "--stack",
  "-C",
  "--cwd",
  "--color",
  "-v",
  "--verbose",
  "--tracing",
  "--profiling",
  "--otel-traces",
  "--memprofilerate",
];

/**
 * Prints shell code for the launcher: `export ...` lines, and the CLI's path as `cli`. Problems are printed and set the
 * exit status.
 * @param {string[]} words The command line without `pulumi`.
 * @returns {Promise<void>}
 */
export function launch(words) {
  return runTool(async () => {
    const { cli, env } = toolchainEnvironment();
    const [command] = withoutOptions(words);
    if (command !== undefined && !stateless.includes(command)) {
      prepareState(projectDirectory, process.env, tell);
      const stack = stackMaking.includes(command) ? stackOf(words) : undefined;
      if (stack !== undefined && isOurs(stack))
        await prepareStack(shortName(stack), projectDirectory, process.env, tell);
      for (const name of madeStacks(words))
        releaseSettings(name, projectDirectory, process.env, tell, { isAsked: true });
    }
    process.stdout.write([...exportLines(env), `cli=${quoteForShell(cli)}`, ""].join("\n"));
  });
}

/**
 * Whether a stack may be created implicitly: it has settings, and the project's own state is used.
 * @param {string} stack
 */
function isOurs(stack) {
  return (
    usesDefaultState(projectDirectory, process.env) &&
    existsSync(join(projectDirectory, `Pulumi.${shortName(stack)}.yaml`))
  );
}

/**
 * The words of `pulumi stack init` that may be the stack's name. Some may be values of options, such as a KMS key.
 * @param {string[]} words
 */
function madeStacks(words) {
  const [command, verb] = withoutOptions(words);
  if (command !== "stack" || verb !== "init") return [];
  return words.filter((word) => !word.startsWith("-") && word !== command && word !== verb);
}

/**
 * A command line without options, and without the values of those that may come before the command.
 * @param {string[]} words
 */
function withoutOptions(words) {
  return words.filter((word, index) => !word.startsWith("-") && !valued.includes(words[index - 1]));
}

/**
 * The stack that a command line names.
 * @param {string[]} words
 */
function stackOf(words) {
  for (const [index, word] of words.entries()) {
    const [, value] = /^(?:-s|--stack)(?:=(.*))?$/.exec(word) ?? [];
    if (value !== undefined) return value;
    if (word === "-s" || word === "--stack") return words[index + 1];
  }
  return undefined;
}

/**
 * Prints to standard error, because the launcher evaluates standard output.
 * @param {string} line
 */
function tell(line) {
  process.stderr.write(`setup: ${line}\n`);
}
