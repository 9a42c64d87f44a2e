// Is there an SSH server at this address that holds this host key? Nobody logs in for the answer.
import ssh2 from "ssh2";
import type { Connection } from "./types.ts";

/**
 * Tries once.
 * @param milliseconds How long to wait for an answer.
 * @returns false when nobody answers, or somebody with another key.
 */
export function answersSsh({ host, port, user, hostKey }: Connection, milliseconds: number): Promise<boolean> {
  const [kind, key] = hostKey.trim().split(/\s+/);
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    const finish = (answer: boolean): void => {
      resolve(answer);
      client.destroy();
    };
    client.on("error", () => finish(false));
    client.on("close", () => finish(false));
    client.connect({
      host,
      port,
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
