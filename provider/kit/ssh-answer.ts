// Checks whether the expected SSH server answers at an address, and whether it accepts a login.
import ssh2 from "ssh2";
import { openPort } from "../../common/ssh-dial.mjs";
import { isForward } from "../tunnels.ts";
import type { Connection } from "./connection.ts";

/** The result of one attempt to log in and run a command. */
export interface LoginAnswer {
  /**
   * - `in`: it works.
   * - `nobody`: nothing answers, or only a server with another host key.
   * - `refused`: the machine does not accept the key.
   * - `closed`: it accepts the key, but no command runs: PAM, a full disk, the account's shell, ...
   */
  kind: "in" | "nobody" | "refused" | "closed";
  /** What the machine or the network reported, if anything. */
  said: string;
}

/**
 * Milliseconds for the rest of a login, once the machine has started to answer. Emulated hardware on a busy computer
 * takes many seconds; hanging up and retrying would only keep it busy.
 */
const loginPatience = 60_000;

/**
 * Tries once to connect, through the bastion if there is one. Doesn't log in to the machine.
 * @param milliseconds How long to wait for the first byte; more is allowed if a bastion or forward is in between.
 * @returns false if nothing answers, or a server with another key.
 */
export async function answersSsh(connection: Connection, milliseconds: number): Promise<boolean> {
  return (await attempt(connection, undefined, milliseconds)).kind === "in";
}

/** Like {@link answersSsh}, but also logs in and runs a command that does nothing. */
export async function logIn(connection: Connection, privateKey: string, milliseconds: number): Promise<LoginAnswer> {
  return await attempt(connection, privateKey, milliseconds);
}

/** @param privateKey If missing, only the host key is checked. */
async function attempt(
  connection: Connection,
  privateKey: string | undefined,
  milliseconds: number,
): Promise<LoginAnswer> {
  const { host, port, user, hostKey, proxy } = connection;
  // A bastion requires a login first, and a forward must start its tool.
  const patience = proxy || isForward(host) ? milliseconds + 15_000 : milliseconds;
  const [kind, key] = hostKey.trim().split(/\s+/);
  let opened: Awaited<ReturnType<typeof openPort>>;
  try {
    opened = await openPort({ host, port, proxy }, AbortSignal.timeout(patience));
  } catch (error) {
    return { kind: "nobody", said: (error as Error).message };
  }
  return await new Promise((resolve) => {
    const client = new ssh2.Client();
    let isMet = false;
    let said = "";
    const finish = (kind: LoginAnswer["kind"], more: string): void => {
      clearTimeout(timer);
      const all = [said, more].map((text) => text.trim().replaceAll(/\s+/g, " ")).filter(Boolean);
      resolve({ kind, said: all.join(": ") });
      client.destroy();
      opened.close();
    };
    const expire = (): void => finish(isMet ? "closed" : "nobody", isMet ? "the login takes too long" : "");
    let timer = setTimeout(expire, patience);
    opened.stream.once("data", () => {
      clearTimeout(timer);
      timer = setTimeout(expire, loginPatience);
    });
    client.on("banner", (text) => (said += text));
    client.on("error", (error) => {
      if (!isMet) return finish("nobody", error.message);
      const isRefused = error.level === "client-authentication";
      finish(isRefused ? "refused" : "closed", isRefused ? "" : error.message);
    });
    client.on("close", () => finish(isMet ? "closed" : "nobody", isMet ? "it closed the connection" : ""));
    client.on("ready", () =>
      runNothing(client, (status, output) => {
        if (status === 0) finish("in", "");
        else finish("closed", `the command \`true\` ended with exit status ${status ?? "unknown"} ${output}`);
      }),
    );
    client.connect({
      sock: opened.stream,
      username: user,
      ...(privateKey !== undefined && { privateKey }),
      readyTimeout: patience + loginPatience,
      algorithms: { serverHostKey: [kind as "ssh-ed25519"] },
      hostVerifier: (found: Buffer) => {
        isMet = found.toString("base64") === key;
        if (!isMet) finish("nobody", "another machine, or one that did not get its host key, answers there");
        else if (privateKey === undefined) finish("in", "");
        return isMet && privateKey !== undefined;
      },
    });
  });
}

function runNothing(client: ssh2.Client, done: (status: number | undefined, output: string) => void): void {
  client.exec("true", (error, channel) => {
    if (error) return done(undefined, error.message);
    let output = "";
    let status: number | undefined;
    const keep = (data: Buffer): void => void (output = (output + data.toString("utf8")).slice(0, 500));
    channel.on("data", keep);
    channel.stderr.on("data", keep);
    channel.on("exit", (code: number | null) => (status = code ?? undefined));
    channel.on("close", () => done(status, output));
  });
}
