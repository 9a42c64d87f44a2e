// Is there an SSH server at this address that holds this host key? Nobody logs in for the answer.
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { openPort } from "../../common/ssh-dial.mjs";
import type { Connection } from "./types.ts";

/**
 * Tries once, through the bastion where there is one.
 * @param milliseconds How long to wait for an answer; longer where something is in between.
 * @returns false when nobody answers, or somebody with another key.
 */
export async function answersSsh(connection: Connection, milliseconds: number): Promise<boolean> {
  const { host, port, user, hostKey, proxy } = connection;
  // A bastion is logged in to first, and behind a forward (provider/tunnels.ts) a tool has to start.
  const patience = proxy || host === "127.0.0.1" ? milliseconds + 15_000 : milliseconds;
  const [kind, key] = hostKey.trim().split(/\s+/);
  let opened: { stream: Duplex; close: () => void } | undefined;
  try {
    if (proxy) opened = await openPort({ host, port, proxy }, AbortSignal.timeout(patience));
  } catch {
    return false;
  }
  return await new Promise((resolve) => {
    const client = new ssh2.Client();
    const finish = (answer: boolean): void => {
      resolve(answer);
      client.destroy();
      opened?.close();
    };
    client.on("error", () => finish(false));
    client.on("close", () => finish(false));
    client.connect({
      ...(opened ? { sock: opened.stream } : { host, port }),
      username: user,
      readyTimeout: patience,
      algorithms: { serverHostKey: [kind as "ssh-ed25519"] },
      hostVerifier: (found: Buffer) => {
        finish(found.toString("base64") === key);
        return false;
      },
    });
  });
}
