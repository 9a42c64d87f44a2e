// Helpers of setup: print a line, run a program, hold a lock.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ToolProblem } from "../problem.mjs";

/**
 * Prints a line of progress.
 * @param {string} line
 */
export function say(line) {
  process.stdout.write(`setup: ${line}\n`);
}

/**
 * Runs a program and passes its output on.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, output?: NodeJS.WriteStream | "inherit" }} [options] `output`
 * receives the program's standard output; by default, ours does.
 * @throws {ToolProblem} when it can't be started or fails, with the command to run by hand.
 */
export async function run(program, args, options = {}) {
  const { output = "inherit", ...others } = options;
  const child = spawn(program, args, { ...others, stdio: ["ignore", output, "inherit"] });
  const typed = [program, ...args].join(" ");
  /** @type {[number | null, NodeJS.Signals | null]} */
  const [code, signal] = await Promise.race([
    /** @type {Promise<[number | null, NodeJS.Signals | null]>} */ (once(child, "close")),
    /** @type {Promise<never>} */ (
      new Promise((_, reject) =>
        child.once("error", (error) => reject(new ToolProblem(`${program} can't be started: ${error.message}`))),
      )
    ),
  ]);
  if (code !== 0)
    throw new ToolProblem(
      `this command failed with ${signal ?? `exit status ${code}`}, see above: ${typed}`,
      options.cwd === undefined ? `run it by hand: ${typed}` : `run it by hand: cd ${options.cwd} && ${typed}`,
    );
}

/**
 * Runs `work` while holding a lock, so that no other setup runs at the same time, in any clone of the project. A helper
 * process holds the lock (flock) and reads a pipe from us. It ends when we end in any way, so no stale lock remains.
 * @template Result
 * @param {string} file The lock file. It is created if missing, and never removed.
 * @param {() => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function withLock(file, work) {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw new ToolProblem(
      `the folder ${dirname(file)} can't be made: ${/** @type {Error} */ (error).message}`,
      "use a checkout of your own; if this is Pulumi's own folder, set PULUMI_HOME to one that you can write to",
    );
  }
  // macOS has no flock, but its lockf does the same (man 1 lockf; -k keeps the file).
  const [lock, ...options] = process.platform === "darwin" ? ["lockf", "-k"] : ["flock"];
  const held = [...options, file, "sh", "-c", "echo locked; exec cat"];
  const holder = spawn(lock, held, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => holder.once("close", resolve));
  const waiting = setTimeout(() => say(`waiting for another setup to finish (it holds ${file})`), 1000);
  try {
    await new Promise((resolve, reject) => {
      holder.stdout.once("data", resolve);
      holder.once("error", (error) =>
        reject(new ToolProblem(`${lock} can't be started: ${error.message}`, "apt-get install util-linux")),
      );
      holder.once("close", () => reject(new ToolProblem(`${file} can't be locked`)));
    });
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.on("error", () => {}); // The helper could not be started.
    holder.stdin.end();
    await ended;
  }
}
