// Port forwards through the clouds' own tunnels. A forward is a port of this computer's loopback interface; for each connection to it the
// cloud's command-line tool runs, whose standard input and output are the connection, as OpenSSH's ProxyCommand has it. So nothing has to be
// guessed from what a tool prints (hashicorp/packer#9528), and a tool that ends takes one connection with it. Forwards live as long as this
// process, which is as long as one `pulumi` command; the next one opens them again.
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

/** The last words of tools on standard error, by command. */
const complaints = new Map<string, string>();

/** The end of a command before this one may still hold the port, in milliseconds. */
const patience = 3000;

/**
 * Opens a forward, or finds the one that is open.
 * @param before The port that it had in the command before, to have it again.
 * @returns the port on 127.0.0.1; the same in every run, unless somebody else has it.
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

/** Whether a host is that of port forwards: machines have other addresses, also on the loopback interface. */
export function isForward(host: string): boolean {
  return host === forwardHost;
}

/** Takes no more connections; those there are go on. */
export async function closeForward(command: TunnelCommand): Promise<void> {
  const key = JSON.stringify(command);
  const open = await forwards.get(key);
  forwards.delete(key);
  open?.server.close();
}

/** What the tool behind a port of ours last complained of, for messages; undefined when it did not, or the port is none of ours. */
export async function complaintAt({ host, port }: { host: string; port: number }): Promise<string | undefined> {
  for (const [key, open] of isForward(host) ? forwards : []) {
    if ((await open).port === port) return complaints.get(key);
  }
  return undefined;
}

/** A state of a machine that does not answer, and what the tunnel to it says. */
export async function withComplaint<T extends object>(seen: T, connection: { host: string; port: number }): Promise<T> {
  const complaint = await complaintAt(connection);
  if (complaint === undefined || !("state" in seen)) return seen;
  return { ...seen, state: `${String(seen.state)}; the tunnel's tool says: ${complaint}` };
}

/** Below the ports that systems give to outgoing connections. */
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
      // The process ends when its work is done, not when nobody connects any more.
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
  // A connection that ends in the middle of something ends the tool, too.
  tool.stdin.on("error", () => {});
  socket.on("error", () => {});
  socket.on("close", () => hangUp(tool));
  socket.pipe(tool.stdin);
  tool.stdout.pipe(socket);
}
