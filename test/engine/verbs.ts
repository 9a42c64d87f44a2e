// Runs the verbs like a user: the real command, in its own process, in a stack's folder.
import assert from "node:assert/strict";
import { join } from "node:path";
import { execa } from "execa";
import { quote } from "../../provision/shell/shell.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** Where a command line runs. */
export interface Place {
  directory: string;
  environment: NodeJS.ProcessEnv;
}

/** The result of a command line. */
export interface Ended {
  stdout: string;
  stderr: string;
  exitCode: number | undefined;
}

const program = join(projectDirectory, "cli/ci-images.mjs");

/**
 * Starts a command line without a terminal.
 * @param options.detached Runs it in its own process group.
 */
export function startVerb({ directory, environment }: Place, words: readonly string[], { detached = false } = {}) {
  const options = { cwd: directory, env: environment, extendEnv: false, reject: false, stdin: "ignore" } as const;
  return execa(process.execPath, [program, ...words], { ...options, detached });
}

/**
 * Runs a command line and presses Ctrl-C when its standard error matches `begins`. As at a terminal, every process of
 * the group gets the signal.
 * @returns the result, with the seconds from Ctrl-C to the exit.
 */
export async function interruptVerb(
  place: Place,
  begins: RegExp,
  ...words: string[]
): Promise<Ended & { seconds: number }> {
  const running = startVerb(place, words, { detached: true });
  let seen = "";
  let pressed = 0;
  running.stderr.on("data", (data: Buffer) => {
    seen += data.toString();
    if (pressed > 0 || !begins.test(seen)) return;
    pressed = performance.now();
    process.kill(-running.pid!, "SIGINT");
  });
  const { stdout, stderr, exitCode } = await running;
  assert.ok(pressed > 0, `it ended without printing ${begins}:\n${stderr}`);
  assertDiscreet(stdout + stderr);
  return { stdout, stderr, exitCode, seconds: (performance.now() - pressed) / 1000 };
}

/**
 * Runs a command line at a terminal and types `keys` when its output matches `begins`.
 * @returns the terminal's output, and the exit status.
 */
export async function typeVerb(
  { directory, environment }: Place,
  begins: RegExp,
  keys: string,
  ...words: string[]
): Promise<{ output: string; exitCode: number | undefined }> {
  const line = [process.execPath, program, ...words].map((word) => quote(word)).join(" ");
  const options = {
    cwd: directory,
    env: { ...environment, SHELL: "/bin/sh" },
    extendEnv: false,
    reject: false,
  } as const;
  const running = execa("script", ["--quiet", "--return", "--command", line, "/dev/null"], { ...options, all: true });
  let seen = "";
  let isTyped = false;
  running.all.on("data", (data: Buffer) => {
    seen += data.toString();
    if (isTyped || !begins.test(seen)) return;
    isTyped = true;
    running.stdin.write(keys);
  });
  const { all: output, exitCode } = await running;
  assert.ok(isTyped, `it ended without printing ${begins}:\n${output}`);
  assertDiscreet(output);
  return { output, exitCode };
}

/** Runs a command line, which may fail. */
export async function runVerb(place: Place, ...words: string[]): Promise<Ended> {
  const { stdout, stderr, exitCode } = await startVerb(place, words);
  assertDiscreet(stdout + stderr);
  return { stdout, stderr, exitCode };
}

/** Runs a command line that must succeed. */
export async function doVerb(place: Place, ...words: string[]): Promise<Ended> {
  const ended = await runVerb(place, ...words);
  assert.equal(ended.exitCode, 0, `${words.join(" ")}:\n${ended.stdout}\n${ended.stderr}`);
  return ended;
}

/** Runs a command line that must fail with this exit status and this message on standard error. */
export async function failVerb(place: Place, exitCode: number, message: RegExp, ...words: string[]): Promise<Ended> {
  const ended = await runVerb(place, ...words);
  assert.equal(ended.exitCode, exitCode, `${words.join(" ")}:\n${ended.stdout}\n${ended.stderr}`);
  assert.match(ended.stderr, message);
  return ended;
}

/** Fails if the output contains secrets or lines of the engine's log. */
function assertDiscreet(output: string): void {
  assert.doesNotMatch(output, /PRIVATE KEY|RegisterResource/);
}
