// Runs other programs during setup, reports what is done and why, and keeps two setups apart.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { ToolProblem } from "../problem.mjs";

/**
 * Prints what is done and why, in one line.
 * @param {string} line
 */
export function say(line) {
  process.stdout.write(`setup: ${line}\n`);
}

/**
 * Runs a program and passes its output on.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, output?: NodeJS.WriteStream | "inherit" }} [options] `output`:
 * receives its standard output; ours by default.
 * @throws {ToolProblem} when it can't be started or fails, with the command as it can be typed.
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
      `this failed with ${signal ?? `exit status ${code}`}, see above: ${typed}`,
      options.cwd === undefined ? `run it by hand: ${typed}` : `run it by hand: cd ${options.cwd} && ${typed}`,
    );
}

/**
 * Runs `work` while no other setup runs, in any clone of the project. The lock is the kernel's (flock), held by a
 * helper process whose input is a pipe from us: it ends with us in any case, so no stale lock remains.
 * @template Result
 * @param {string} file The lock file; it is created, and stays.
 * @param {() => Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function withLock(file, work) {
  mkdirSync(dirname(file), { recursive: true });
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
    holder.stdin.on("error", () => {}); // It never started: there is nothing to end.
    holder.stdin.end();
    await ended;
  }
}
