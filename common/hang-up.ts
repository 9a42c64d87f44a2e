// Ends the command-line tools of the clouds' tunnels.
import type { ChildProcess } from "node:child_process";

/** Milliseconds that a tool gets to end by itself. */
const courtesy = 5000;

/**
 * Ends a tool as OpenSSH ends its ProxyCommand. The AWS CLI doesn't end when its standard input closes
 * (aws/aws-cli#9344), nor reliably on SIGTERM (net-ssh/net-ssh#947).
 */
export function hangUp(tool: ChildProcess): void {
  tool.kill("SIGHUP");
  const impatience = setTimeout(() => tool.kill("SIGKILL"), courtesy);
  impatience.unref();
  tool.once("exit", () => clearTimeout(impatience));
}
