// command:remote:Command: runs one command over SSH.
import { once } from "node:events";
import { dial } from "../../../common/ssh-dial.mjs";
import { Lines, Tail } from "./output.mjs";

/** @typedef {import("../../../common/ssh-dial.mjs").Connection} Connection */

/**
 * A resource's checked inputs, with secrets in clear text, and its outputs so far.
 * @typedef {object} CommandState
 * @property {Connection} connection
 * @property {string} [create]
 * @property {string} [update]
 * @property {string} [delete]
 * @property {string} [stdin]
 * @property {"stdout" | "stderr" | "stdoutAndStderr" | "none"} [logging]
 * @property {Record<string, string>} [environment]
 * @property {boolean} [addPreviousOutputInEnv]
 * @property {string} [stdout]
 * @property {string} [stderr]
 */

/**
 * Receives a resource's messages.
 * @typedef {object} Log
 * @property {(line: string) => void} status Shows a line of progress next to the resource.
 * @property {(message: string) => void} warning
 * @property {(message: string) => void} error
 * @property {() => Promise<void> | undefined} [room] Returns what to wait for if messages come too fast.
 */

/** @typedef {{ stdout: string, stderr: string }} Output */

/** The most bytes of each output that are kept in the state. The official plugin keeps everything. */
const mostKept = 1024 * 1024;

/** The most bytes of output that are shown in an error. The official plugin shows everything. */
const mostInError = 64 * 1024;

/**
 * Runs a command and returns its output without the final newline.
 * @param {CommandState} state
 * @param {string} command
 * @param {AbortSignal} signal Ends the command by closing its session.
 * @param {Log} log
 * @returns {Promise<Output>}
 * @throws {Error} when the command fails, with the official plugin's message and the end of the output.
 */
export async function runCommand(state, command, signal, log) {
  const client = await dial(state.connection, signal, log.status);
  try {
    const environment = await acceptedEnvironment(client, state, signal, log);
    const shown = state.logging ?? "stdoutAndStderr";
    const show = { stdout: shown.startsWith("stdout"), stderr: shown === "stderr" || shown === "stdoutAndStderr" };
    const lines = { stdout: new Lines(log.status), stderr: new Lines(log.status) };
    const kept = { stdout: new Tail(mostKept), stderr: new Tail(mostKept) };
    const all = new Tail(mostInError);
    const problem = await runSession(client, command, {
      environment,
      stdin: state.stdin ?? "",
      signal,
      onOutput: (kind, data) => {
        all.add(data);
        kept[kind].add(data);
        if (show[kind]) lines[kind].add(data);
        return log.room?.();
      },
    });
    lines.stdout.end();
    lines.stderr.end();
    if (problem !== undefined) throw new Error(`${problem}: running ${JSON.stringify(command)}:\n${all.text()}`);
    return { stdout: kept.stdout.text().replace(/\n$/, ""), stderr: kept.stderr.text().replace(/\n$/, "") };
  } finally {
    client.end();
    // The machine may never answer the close.
    setTimeout(() => client.destroy(), 1000).unref();
  }
}

/**
 * @typedef {object} SessionOptions
 * @property {Record<string, string>} [environment]
 * @property {string} [stdin]
 * @property {AbortSignal} signal
 * @property {(kind: "stdout" | "stderr", data: Buffer) => Promise<void> | undefined | void} onOutput Pauses the command
 * until the returned promise resolves.
 */

/**
 * Runs one command in its own session.
 * @param {import("ssh2").Client} client
 * @param {string} command
 * @param {SessionOptions} options
 * @returns {Promise<string | undefined>} what went wrong, in the words of Go's SSH library; undefined on success.
 */
function runSession(client, command, { environment, stdin = "", signal, onOutput }) {
  return new Promise((resolve, reject) => {
    /** @type {string | undefined} */
    let status = "wait: remote command exited without exit status or exit signal";
    const settle = (/** @type {Error | undefined} */ error) => {
      client.removeListener("close", onClose);
      signal.removeEventListener("abort", abort);
      const failure = signal.aborted ? abortReason(signal) : error;
      if (failure !== undefined) reject(failure);
      else resolve(status);
    };
    /** @type {Promise<unknown>} */
    let read = Promise.resolve();
    const onClose = () => void read.then(() => settle(undefined));
    // Closing the connection ends the command, as closing a terminal would.
    const abort = () => client.destroy();
    client.once("close", onClose);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) return abort();

    client.exec(command, { env: environment }, (error, channel) => {
      if (error) return settle(new Error(`ssh: command ${command} failed: ${error.message}`));
      read = passOn({ stdout: channel, stderr: channel.stderr }, onOutput);
      channel.on("exit", (/** @type {number | null} */ code, /** @type {string | undefined} */ name) => {
        if (code === 0) status = undefined;
        else if (code !== null) status = `Process exited with status ${code}`;
        else status = `Process exited with status ${exitStatus(name)} from signal ${name?.replace(/^SIG/, "")}`;
      });
      channel.on("close", onClose);
      // A command that doesn't read its input may close the channel early. Only its exit status counts.
      channel.on("error", () => {});
      channel.end(stdin);
    });
  });
}

/**
 * Passes each chunk of both streams to a consumer, which may pause them. Both are paused together to keep their order.
 * @param {{ stdout: import("node:stream").Readable, stderr: import("node:stream").Readable }} streams
 * @param {SessionOptions["onOutput"]} take
 * @returns {Promise<unknown>} when both streams have ended.
 */
function passOn({ stdout, stderr }, take) {
  const both = [stdout, stderr];
  const pass = (/** @type {"stdout" | "stderr"} */ kind, /** @type {Buffer} */ data) => {
    const wait = take(kind, data);
    if (wait === undefined) return;
    for (const stream of both) stream.pause();
    void wait.then(() => both.forEach((stream) => stream.resume()));
  };
  stdout.on("data", (/** @type {Buffer} */ data) => pass("stdout", data));
  stderr.on("data", (/** @type {Buffer} */ data) => pass("stderr", data));
  return Promise.all(both.map((stream) => once(stream, "end")));
}

/**
 * @param {AbortSignal} signal An aborted one.
 * @returns {Error}
 */
export function abortReason(signal) {
  const reason = /** @type {unknown} */ (signal.reason);
  return reason instanceof Error ? reason : new Error(String(reason));
}

/**
 * The exit status for a signal, as in shells.
 * @param {string | undefined} signal e.g. `SIGTERM`.
 * @returns {number} 128 plus the signal's number.
 */
function exitStatus(signal = "") {
  /** @type {Record<string, number>} */
  const numbers = { HUP: 1, INT: 2, QUIT: 3, ILL: 4, ABRT: 6, FPE: 8, KILL: 9, SEGV: 11, PIPE: 13, ALRM: 14, TERM: 15 };
  return 128 + (numbers[signal.replace(/^SIG/, "")] ?? 0);
}

/**
 * The variables to set for the command: `environment` and the previous run's output. An SSH server accepts only the
 * variables in its AcceptEnv, and the SSH library does not report refusals, so a short first session checks them.
 * @param {import("ssh2").Client} client
 * @param {CommandState} state
 * @param {AbortSignal} signal
 * @param {Log} log
 * @returns {Promise<Record<string, string>>}
 * @throws {Error} when a variable of `environment` is refused. If the previous output is refused, it only warns.
 */
async function acceptedEnvironment(client, state, signal, log) {
  const wanted = { ...state.environment };
  if (state.addPreviousOutputInEnv ?? true) {
    if (state.stdout) wanted.PULUMI_COMMAND_STDOUT = state.stdout;
    if (state.stderr) wanted.PULUMI_COMMAND_STDERR = state.stderr;
  }
  const names = Object.keys(wanted);
  if (names.length === 0) return {};
  const unfit = names.filter((name) => !/^[A-Za-z_]\w*$/.test(name));
  if (unfit.length > 0) throw new Error(`could not set environment variable ${JSON.stringify(unfit[0])}: not a name`);

  let answer = "";
  const look = names.map((name) => `printf '%s' "$${name}" | base64 | tr -d '\\n'; echo`).join("; ");
  await runSession(client, `sh -c '${look.replaceAll("'", `'\\''`)}'`, {
    environment: wanted,
    signal,
    onOutput: (kind, data) => {
      if (kind === "stdout") answer += data.toString("utf8");
    },
  });
  const found = answer.split("\n");
  const refused = names.filter((name, index) => found[index] !== Buffer.from(wanted[name]).toString("base64"));
  for (const name of refused) {
    const message =
      `Unable to set '${name}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. ` +
      "Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the command itself with " +
      "the variables in the form 'VAR=value command'";
    if (Object.hasOwn(state.environment ?? {}, name)) {
      log.error(message);
      throw new Error(`could not set environment variable ${JSON.stringify(name)}: ssh: setenv failed`);
    }
    log.warning(message);
  }
  return wanted;
}
