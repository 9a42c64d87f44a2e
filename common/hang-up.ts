// Ends the command-line tools of the clouds' tunnels.
import type { ChildProcess } from "node:child_process";

/** Milliseconds that a tool has to end when it is told to. */
const courtesy = 5000;

/**
 * Ends a tool as OpenSSH ends its ProxyCommand. The AWS CLI does not end with its standard input (aws/aws-cli#9344), nor reliably with
 * SIGTERM (net-ssh/net-ssh#947).
 */
export function hangUp(tool: ChildProcess): void {
  tool.kill("SIGHUP");
  const impatience = setTimeout(() => tool.kill("SIGKILL"), courtesy);
  impatience.unref();
  tool.once("exit", () => clearTimeout(impatience));
}
