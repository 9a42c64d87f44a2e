// A network that is only reachable through a bastion, a real OpenSSH server: a network namespace with the machines of a
// test cloud, and a veth link to the bastion.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { enterOverlay, type Overlay } from "../../components/local/provider/overlay.ts";
import { cachedBase } from "../cached-base.ts";
import { until } from "./until.ts";

/** Prefix of the namespaces' names, before the id of the process that holds the namespace. */
const prefix = "ci-images-test-";

const port = 2222;
const user = "jump";

/** Like a real bastion, it only forwards connections and gives no shell. */
const configuration = `
Port ${port}
HostKey /etc/ssh/bastion_key
UsePAM no
PasswordAuthentication no
AllowUsers ${user}
PermitTTY no
ForceCommand /bin/false
AllowAgentForwarding no
X11Forwarding no
LogLevel DEBUG1
`;

/** The network, and the bastion at its edge. */
export class PrivateNetwork {
  private log = "";
  private server?: ChildProcess;

  private constructor(
    private readonly folder: string,
    private readonly holder: ChildProcess,
    /** The bastion's address on the link. */
    readonly host: string,
    /** The bastion's host key, as an authorized_keys line. */
    readonly hostKey: string,
    /** The private key for logins to the bastion, in OpenSSH's format. */
    readonly privateKey: string,
  ) {}

  /** Sets up the link and starts the bastion. */
  static async open(): Promise<PrivateNetwork> {
    const folder = await mkdtemp(join(tmpdir(), "ci-bastion-"));
    const [host, client] = [makeSshKeyPair(), makeSshKeyPair()];
    // The namespace lives as long as this process, which ends with the test even if the test is killed.
    const holder = spawn("setpriv", ["--pdeathsig=KILL", "unshare", "--net", "sleep", "infinity"], { stdio: "ignore" });
    const address = await layCable(holder.pid!);
    // Also attach a name, because machines' supervisors have their own /proc.
    await dropAbandoned();
    await execa("ip", ["netns", "attach", `${prefix}${holder.pid}`, String(holder.pid)]);
    const network = new PrivateNetwork(folder, holder, address, host.publicKey, client.privateKey);
    await network.start(host.privateKey, client.publicKey);
    return network;
  }

  /** The namespace, as a path. */
  get path(): string {
    return `/run/netns/${prefix}${this.holder.pid}`;
  }

  /** The stack setting `bastion`. @param more Additional keys. */
  setting(more: object): { address: string } {
    return { address: `${user}@${this.host}:${port}`, ...more };
  }

  /** Targets of forwarded connections so far: `127.77.1.2 port 22`. */
  get forwarded(): string[] {
    return [...this.log.matchAll(/direct_tcpip: originator .*?, target (\S+ port \d+)/g)].map(([, place]) => place);
  }

  /** The bastion's log. */
  get said(): string {
    return this.log;
  }

  async close(): Promise<void> {
    for (const child of [this.server, this.holder]) {
      if (child?.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
    await execa("ip", ["netns", "delete", `${prefix}${this.holder.pid}`]);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async start(hostKey: string, authorizedKey: string): Promise<void> {
    const [upper, work, path] = ["upper", "work", "root"].map((part) => join(this.folder, part));
    const overlay: Overlay = { lower: [await cachedBase()], upper, work, path };
    for (const each of [upper, work, path, join(upper, "etc", "ssh"), join(upper, "home", user, ".ssh")]) {
      await mkdir(each, { recursive: true });
    }
    await writeFile(join(upper, "etc", "ssh", "bastion_key"), hostKey, { mode: 0o600 });
    await writeFile(join(upper, "etc", "ssh", "bastion_config"), configuration);
    await writeFile(join(upper, "home", user, ".ssh", "authorized_keys"), `${authorizedKey}\n`);
    const script = `
set -e
mount --bind /dev "$0/dev"
chroot "$0" useradd --no-create-home --shell /bin/sh ${user}
chroot "$0" usermod --password '*' ${user}
mkdir -p "$0/run/sshd"
exec chroot "$0" /usr/sbin/sshd -D -e -f /etc/ssh/bastion_config`;
    const inside = ["nsenter", `--net=${this.path}`, "--", ...enterOverlay(overlay), "sh", "-c", script, path];
    const server = spawn("setpriv", ["--pdeathsig=KILL", ...inside], { stdio: ["ignore", "pipe", "pipe"] });
    this.server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream.on("data", (data: Buffer) => (this.log += data.toString()));
    }
    await until("the bastion answers", 60, async () => {
      if (server.exitCode !== null) throw new Error(`the bastion ended:\n${this.log}`);
      return await isOpen(this.host, port);
    });
  }
}

/** Deletes names that killed tests have left. */
async function dropAbandoned(): Promise<void> {
  const names = await readdir("/run/netns").catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const holder = await stat(`/proc/${name.slice(prefix.length)}`).catch(() => undefined);
    if (!holder) await execa("ip", ["netns", "delete", name], { reject: false });
  }
}

/** Links a namespace to this computer. @returns the address at the namespace's end. */
async function layCable(process: number): Promise<string> {
  const link = `cib${process}`.slice(0, 14);
  // Wait until the process has left this computer's namespace.
  await until("the namespace exists", 20, async () => {
    const [ours, its] = await Promise.all(["self", process].map((id) => execa("readlink", [`/proc/${id}/ns/net`])));
    return ours.stdout !== its.stdout;
  });
  const [third, fourth] = [(process >> 6) & 255, (process & 63) * 4];
  const [near, far] = [`10.219.${third}.${fourth + 1}`, `10.219.${third}.${fourth + 2}`];
  const ip = (...words: string[]) => execa("ip", words);
  const inside = (...words: string[]) => execa("nsenter", [`--net=/proc/${process}/ns/net`, "--", "ip", ...words]);
  await ip("link", "add", link, "type", "veth", "peer", "name", "cable", "netns", String(process));
  await ip("address", "add", `${near}/30`, "dev", link);
  await ip("link", "set", link, "up");
  await inside("link", "set", "lo", "up");
  await inside("address", "add", `${far}/30`, "dev", "cable");
  await inside("link", "set", "cable", "up");
  return far;
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 }, () => resolve(true));
    socket.on("error", () => resolve(false)).on("timeout", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
