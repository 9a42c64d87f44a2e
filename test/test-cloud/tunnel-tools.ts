// Fakes of the command-line tools for tunnels, as strict as the real ones: they accept only documented options, and
// connect only if the cloud would allow it.
//
//   gcloud compute start-iap-tunnel        https://cloud.google.com/sdk/gcloud/reference/compute/start-iap-tunnel
//   aws ec2-instance-connect open-tunnel   https://docs.aws.amazon.com/cli/latest/reference/ec2-instance-connect/open-tunnel.html
//   aws ssm start-session                  https://docs.aws.amazon.com/cli/latest/reference/ssm/start-session.html
//
// Their behaviour at the start and end of a connection comes from awscli/customizations/ec2instanceconnect/websocket.py
// and sessionmanager.py of aws/aws-cli, and src/sessionmanagerplugin/session of aws/session-manager-plugin.
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** An order to a tool: connect, or print a text and exit. */
export type Order = Connect | { says: string; status: number };

interface Connect {
  address: string;
  network?: string;
  /** Printed before the connection. SSH clients skip lines before the server's version. */
  greeting?: string;
  /** The tool ignores the end of its standard input and SIGTERM: aws/aws-cli#9344, net-ssh/net-ssh#947. */
  outlivesInput?: boolean;
  /** The tool runs another one that survives the first one's death and ends with its standard input. */
  runsPlugin?: boolean;
}

/** Looks up the machines that tunnels can reach. */
export interface Targets {
  /** A gce machine, and whether its firewall rules allow Google's forwarding. */
  iap?(project: string, zone: string, name: string): Promise<{ address: string; isOpen: boolean } | undefined>;
  /** An ec2 machine, and whether an Instance Connect Endpoint or Systems Manager (`isManaged`) can reach it. */
  ec2?(region: string, id: string): Promise<{ address: string; isOpen: boolean; isManaged: boolean } | undefined>;
}

const bin = fileURLToPath(new URL("tunnels", import.meta.url));

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
/** Options that `gcloud compute ssh` uses. The last one is not in gcloud's reference. */
const iapOptions = { project: text, zone: text, "local-host-port": text, verbosity: text, "listen-on-stdin": flag };
const common = { region: text, profile: text, "endpoint-url": text, output: text };
const openTunnelOptions = {
  ...common,
  ...{ "instance-id": text, "instance-connect-endpoint-id": text, "private-ip-address": text, "remote-port": text },
  ...{ "local-port": text, "max-tunnel-duration": text, "max-websocket-connections": text },
};
const startSessionOptions = { ...common, target: text, "document-name": text, reason: text, parameters: text };

/** The fake tools, first on PATH. */
export class TunnelTools {
  /** Command lines so far: `gcloud compute start-iap-tunnel NAME 22 ...`. */
  readonly runs: string[] = [];
  /** If true, the tools behave as if they were not installed. */
  areMissing = false;
  private readonly server: Server;

  private constructor(
    private readonly socket: string,
    private readonly targets: Targets,
    private readonly network: string | undefined,
  ) {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.setEncoding("utf8");
      socket.on("error", () => socket.destroy());
      let said = "";
      socket.on("data", (part: string) => {
        said += part;
        if (!said.endsWith("\n")) return;
        const { tool, words } = JSON.parse(said) as { tool: string; words: string[] };
        this.runs.push([tool, ...words].join(" "));
        void this.order(tool, words)
          .catch((error: unknown): Order => ({ says: String(error), status: 2 }))
          .then((order) => socket.end(JSON.stringify(order)));
      });
    });
  }

  /**
   * Provides the tools.
   * @param folder The folder for the socket.
   * @param network The machines' network namespace; this computer's by default.
   */
  static async open(folder: string, targets: Targets, network?: string): Promise<TunnelTools> {
    const tools = new TunnelTools(join(folder, "tunnels"), targets, network);
    await new Promise<void>((resolve) => tools.server.listen(tools.socket, resolve));
    return tools;
  }

  /** Variables that put the tools on PATH. @param path The PATH without the tools. */
  variables(path: string): Record<string, string> {
    return { PATH: `${bin}:${path}`, CI_IMAGES_TEST_TUNNELS: this.socket };
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }

  private order(tool: string, words: string[]): Promise<Order> {
    if (this.areMissing) return Promise.resolve({ says: `${tool}: not found`, status: 127 });
    if (words.join() === "--version") return Promise.resolve({ says: `${tool} 9.9.9`, status: 0 });
    const [group, command, ...rest] = words;
    if (tool === "gcloud" && group === "compute" && command === "start-iap-tunnel") return this.iap(rest);
    if (tool === "aws" && group === "ec2-instance-connect" && command === "open-tunnel") return this.openTunnel(rest);
    if (tool === "aws" && group === "ssm" && command === "start-session") return this.startSession(rest);
    return Promise.resolve({ says: `${tool}: Invalid choice: ${words.join(" ")}`, status: 2 });
  }

  private async iap(args: string[]): Promise<Order> {
    const { values, positionals } = parseArgs({ args, options: iapOptions, allowPositionals: true });
    const [name, port] = positionals;
    const { project, zone, "listen-on-stdin": stdin, "local-host-port": local } = values;
    if (!name || port !== "22" || !project || !zone || !stdin || local) return { says: "usage", status: 2 };
    const found = await this.targets.iap?.(project, zone, name);
    if (!found) return { says: `ERROR: Error while connecting [4047: 'Failed to lookup instance'].`, status: 1 };
    if (found.isOpen) return this.to(found.address);
    return { says: "ERROR: Error while connecting [4003: 'failed to connect to backend'].", status: 1 };
  }

  private async openTunnel(args: string[]): Promise<Order> {
    const { values } = parseArgs({ args, options: openTunnelOptions });
    const { region, "instance-id": id, "remote-port": port = "22" } = values;
    if (!region || !id || port !== "22" || values["local-port"]) return { says: "usage", status: 2 };
    const found = await this.targets.ec2?.(region, id);
    // StdinStdoutIO ignores the end of its input, so only its parent or the server can end it.
    if (found?.isOpen) return { ...this.to(found.address), outlivesInput: true };
    return { says: "awscli.customizations.ec2instanceconnect: Websocket Closed: target is not reachable", status: 1 };
  }

  private async startSession(args: string[]): Promise<Order> {
    const { values } = parseArgs({ args, options: startSessionOptions });
    const { region, target, "document-name": document, parameters } = values;
    const isSsh = document === "AWS-StartSSHSession" && parameters === "portNumber=22";
    if (!region || !target || !isSsh) return { says: "usage", status: 2 };
    const found = await this.targets.ec2?.(region, target);
    const greeting = `\nStarting session with SessionId: ci-images-${this.runs.length}\n`;
    if (found?.isManaged) return { ...this.to(found.address), greeting, runsPlugin: true };
    return { says: `An error occurred (TargetNotConnected): ${target} is not connected.`, status: 254 };
  }

  private to(address: string): Connect {
    return { address, ...(this.network !== undefined && { network: this.network }) };
  }
}
