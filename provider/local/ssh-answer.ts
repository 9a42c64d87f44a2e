// Is there an SSH server at this address that holds this host key? Nobody logs in for the answer.
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { openPort } from "../../common/ssh-dial.mjs";
import type { Connection } from "./types.ts";

/**
 * Tries once, through the bastion where there is one.
 * @param milliseconds How long to wait for an answer.
 * @returns false when nobody answers, or somebody with another key.
 */
export async function answersSsh(connection: Connection, milliseconds: number): Promise<boolean> {
  const { host, port, user, hostKey, proxy } = connection;
  const [kind, key] = hostKey.trim().split(/\s+/);
  let sock: Duplex | undefined;
  try {
    if (proxy) sock = await openPort({ host, port, proxy }, AbortSignal.timeout(milliseconds));
  } catch {
    return false;
  }
  return await new Promise((resolve) => {
    const client = new ssh2.Client();
    const finish = (answer: boolean): void => {
      resolve(answer);
      client.destroy();
      sock?.destroy();
    };
    client.on("error", () => finish(false));
    client.on("close", () => finish(false));
    client.connect({
      ...(sock ? { sock } : { host, port }),
      username: user,
      readyTimeout: milliseconds,
      algorithms: { serverHostKey: [kind as "ssh-ed25519"] },
      hostVerifier: (found: Buffer) => {
        finish(found.toString("base64") === key);
        return false;
      },
    });
  });
}
