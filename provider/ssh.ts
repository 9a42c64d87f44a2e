// Runs commands on a machine over the provider's own SSH connection, with a stream as input. Dials like the command
// plugin (common/ssh-dial.mjs).
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type ssh2 from "ssh2";
import { dial, type Connection } from "../common/ssh-dial.mjs";
import type { Context } from "./resource.ts";

export type { Connection };

/** How a command on the machine ended. */
export interface RemoteResult {
  /** 0 on success; undefined if a signal ended it or the connection was lost. */
  status: number | undefined;
  /** The end of its output on both streams, at most 16 KiB. */
  output: string;
}

const keptOutput = 16 * 1024;

/**
 * Connects, runs one command, and disconnects.
 * @param command The command line for the login shell.
 * @param input Its standard input, read as fast as the machine accepts it, until the command ends.
 * @throws the last dial's error; errors of `input`; the signal's reason if it is aborted, which closes the connection.
 */
export async function runOver(
  connection: Connection,
  command: string,
  input: AsyncIterable<Buffer>,
  { progress, signal }: Context,
): Promise<RemoteResult> {
  const client = await dial(connection, signal, (line) => progress(line, true));
  const abort = (): void => void client.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await execute(client, command, input);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    client.end();
    // Don't keep the connection open if the machine doesn't answer the close.
    setTimeout(() => client.destroy(), 1000).unref();
  }
}

async function execute(client: ssh2.Client, command: string, input: AsyncIterable<Buffer>): Promise<RemoteResult> {
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
    client.once("close", () => reject(new Error("the connection was lost")));
    client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  let output = "";
  const keep = (data: Buffer): void => void (output = (output + data.toString("utf8")).slice(-keptOutput));
  channel.on("data", keep);
  channel.stderr.on("data", keep);
  let status: number | undefined;
  channel.on("exit", (code: number | null) => (status = code ?? undefined));
  const ended = new AbortController();
  const closed = new Promise<void>((resolve) => {
    const end = (): void => {
      ended.abort();
      resolve();
    };
    channel.once("close", end);
    client.once("close", end);
  });
  try {
    await pipeline(Readable.from(input, { objectMode: false }), channel, { signal: ended.signal });
  } catch (error) {
    // The command ended before it had read everything: its exit status tells the reason.
    if (!ended.signal.aborted && !isClosedChannel(error)) {
      client.destroy();
      throw error;
    }
  }
  await closed;
  return { status, output };
}

function isClosedChannel(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "EPIPE" || code === "ERR_STREAM_DESTROYED";
}
