// One short SSH session: connect with a pinned host key, run a command, close.
import ssh2 from "ssh2";
import { UserError } from "../common/user-error.ts";

/** Where to log in and as whom. */
export interface SshTarget {
  host: string;
  port: number;
  user: string;
  /** OpenSSH private key. */
  privateKey: string;
  /** The only host key that is accepted: one authorized_keys line. */
  hostKey: string;
}

/**
 * Runs one command.
 * @param timeout Milliseconds for connecting and running together.
 * @returns standard output.
 * @throws Error when the machine can't be reached, shows another host key, or the command fails.
 */
export function runOverSsh(target: SshTarget, command: string, timeout: number, signal: AbortSignal): Promise<string> {
  const pinned = target.hostKey.split(" ")[1];
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const stop = (error: Error) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      client.end();
      reject(error);
    };
    const timer = setTimeout(() => stop(new Error(`no answer within ${timeout / 1000} s`)), timeout);
    const onAbort = () => stop(new UserError({ where: "ci-images", found: "cancelled" }));
    signal.addEventListener("abort", onAbort, { once: true });
    client.on("error", stop);
    client.on("ready", () => {
      client.exec(command, (error, channel) => {
        if (error) return stop(error);
        let output = "";
        channel.on("data", (data: Buffer) => (output += data.toString()));
        channel.stderr.on("data", (data: Buffer) => (output += data.toString()));
        channel.on("close", (status: number | null) => {
          if (status !== 0) return stop(new Error(`${command}: exit status ${status}: ${output}`));
          clearTimeout(timer);
          signal.removeEventListener("abort", onAbort);
          client.end();
          resolve(output);
        });
      });
    });
    client.connect({
      host: target.host,
      port: target.port,
      username: target.user,
      privateKey: target.privateKey,
      readyTimeout: timeout,
      algorithms: { serverHostKey: [target.hostKey.split(" ")[0] as "ssh-ed25519"] },
      hostVerifier: (key: Buffer) => key.toString("base64") === pinned,
    });
  });
}
