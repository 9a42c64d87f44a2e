// Port forwards through the clouds' own tunnels. A forward is a port on this computer's loopback interface. Each
// connection to it runs the cloud's command-line tool, whose standard input and output are the connection, as for
// OpenSSH's ProxyCommand. So no tool's output has to be parsed (hashicorp/packer#9528), and a tool that ends closes
// only one connection. Forwards live as long as this process, which is one `pulumi` command; the next one opens them
// again.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { hangUp } from "../common/hang-up.ts";

/** A program and its arguments. */
export type TunnelCommand = readonly string[];

interface Forward {
  server: Server;
  port: number;
}

const forwardHost = "127.0.0.1";

const forwards = new Map<string, Promise<Forward>>();

/** The tools' last lines on standard error, by command. */
const complaints = new Map<string, string>();

/** Milliseconds for which the previous command may still hold the port. */
const patience = 3000;

/**
 * Opens a forward, or finds an open one.
 * @param before The port in the previous command, to reuse.
 * @returns the port on 127.0.0.1; the same in every run, unless another program has it.
 */
export async function openForward(command: TunnelCommand, before?: number): Promise<number> {
  const key = JSON.stringify(command);
  const open = forwards.get(key) ?? listen(command, before ?? usualPort(key));
  forwards.set(key, open);
  try {
    return (await open).port;
  } catch (error) {
    forwards.delete(key);
    throw error;
  }
}

/** Whether a host is that of port forwards. Machines have other addresses, even on the loopback interface. */
export function isForward(host: string): boolean {
  return host === forwardHost;
}

/** Accepts no more connections; existing ones continue. */
export async function closeForward(command: TunnelCommand): Promise<void> {
  const key = JSON.stringify(command);
  const open = await forwards.get(key);
  forwards.delete(key);
  open?.server.close();
}

/**
 * The last complaint of the tool behind one of our ports, for messages; undefined if there was none, or the port is not
 * ours.
 */
export async function complaintAt({ host, port }: { host: string; port: number }): Promise<string | undefined> {
  for (const [key, open] of isForward(host) ? forwards : []) {
    if ((await open).port === port) return complaints.get(key);
  }
  return undefined;
}

/** The state of a machine that does not answer, with its tunnel's complaint. */
export async function withComplaint<T extends object>(seen: T, connection: { host: string; port: number }): Promise<T> {
  const complaint = await complaintAt(connection);
  if (complaint === undefined || !("state" in seen)) return seen;
  return { ...seen, state: `${String(seen.state)}; the tunnel's tool says: ${complaint}` };
}

/** A port derived from the command, below the range for outgoing connections. */
function usualPort(key: string): number {
  return 20_000 + (createHash("sha256").update(key).digest().readUInt32BE() % 10_000);
}

async function listen(command: TunnelCommand, wanted: number): Promise<Forward> {
  for (const begun = Date.now(); ;) {
    const server = createServer((socket) => connectBy(command, socket));
    try {
      const patient = Date.now() - begun < patience;
      const port = await new Promise<number>((resolve, reject) => {
        server.once("error", reject);
        const place = { port: patient ? wanted : 0, host: forwardHost };
        server.listen(place, () => resolve((server.address() as { port: number }).port));
      });
      // The process ends when its work is done, not when the last connection closes.
      server.unref();
      return { server, port };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      await sleep(200);
    }
  }
}

function connectBy(command: TunnelCommand, socket: Socket): void {
  const [program, ...words] = command;
  const tool = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  tool.stderr.on("data", (data: Buffer) => (said = (said + data.toString()).slice(-2000)));
  const end = (): void => {
    const complaint = said.trim().split("\n").at(-1);
    if (complaint) complaints.set(JSON.stringify(command), complaint);
    socket.destroy();
  };
  tool.on("error", (error) => {
    said += error.message;
    end();
  });
  tool.on("close", end);
  // A broken connection ends the tool, too.
  tool.stdin.on("error", () => {});
  socket.on("error", () => {});
  socket.on("close", () => hangUp(tool));
  socket.pipe(tool.stdin);
  tool.stdout.pipe(socket);
}
