// An SSH server in this process, for tests of SSH clients. It listens on loopback, accepts one key, and runs commands
// in bash on this computer, as the tests' user.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";

/** A running server, with controls and records for tests. */
export interface SshServer {
  port: number;
  /** The host key as an authorized_keys line. */
  hostKey: string;
  /** The accepted private key, in OpenSSH's format. */
  privateKey: string;
  /** Variables that clients may set, like sshd's AcceptEnv. */
  acceptEnvironment: Set<string>;
  /** The commands that were run, in order. */
  commands: string[];
  /** Targets of forwarded connections, in order: `HOST:PORT`. */
  forwarded: string[];
  /** The number of open connections. */
  readonly connections: number;
  /** The number of connections to refuse from now on; counts down. */
  refuse: number;
  /** Whether requests to forward a connection get no answer. */
  stallsForwards: boolean;
  /** Cuts every open connection. */
  cut(): void;
  stop(): Promise<void>;
}

/** Starts a server. */
export async function startSshServer(): Promise<SshServer> {
  const [host, client] = [makeSshKeyPair(), makeSshKeyPair()];
  const accepted = parsePublicKey(client.publicKey);
  const connections = new Set<ssh2.Connection>();

  const server = new ssh2.Server({ hostKeys: [host.privateKey] }, (connection) => {
    if (state.refuse > 0) {
      state.refuse--;
      connection.end();
      return;
    }
    connections.add(connection);
    connection.on("error", () => {}); // Tests cut connections; `close` follows.
    connection.on("close", () => connections.delete(connection));
    connection.on("authentication", (attempt) => {
      const isOurs = attempt.method === "publickey" && attempt.key.data.equals(accepted.getPublicSSH());
      const isSigned = isOurs && attempt.signature !== undefined;
      if (isSigned && accepted.verify(attempt.blob!, attempt.signature!, attempt.hashAlgo) !== true) attempt.reject();
      else if (isOurs) attempt.accept();
      else attempt.reject(["publickey"]);
    });
    connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
      if (state.stallsForwards) return;
      const onward = connect(destPort, destIP, () => {
        state.forwarded.push(`${destIP}:${destPort}`);
        const channel = accept();
        channel.pipe(onward).pipe(channel);
        channel.on("error", () => onward.destroy());
        onward.removeAllListeners("error").on("error", () => channel.end());
      });
      onward.once("error", () => reject());
    });
    connection.on("session", (accept) => serveSession(accept(), state));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = () => connections.forEach((connection) => connection.end());
  const state: SshServer = {
    port: (server.address() as AddressInfo).port,
    hostKey: host.publicKey,
    privateKey: client.privateKey,
    acceptEnvironment: new Set(),
    commands: [],
    forwarded: [],
    get connections() {
      return connections.size;
    },
    refuse: 0,
    stallsForwards: false,
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
  return state;
}

function parsePublicKey(line: string): ssh2.ParsedKey {
  const key = ssh2.utils.parseKey(line);
  if (key instanceof Error) throw key;
  return key;
}

function serveSession(session: ssh2.Session, state: SshServer): void {
  const environment: Record<string, string> = {};
  session.on("env", (accept, reject, { key, val }) => {
    if (!state.acceptEnvironment.has(key)) return reject?.();
    environment[key] = val;
    accept?.();
  });
  session.on("exec", (accept, _reject, { command }) => {
    state.commands.push(command);
    const channel = accept();
    // In its own process group, so that all its processes can be ended when the client hangs up.
    const shell = spawn("bash", ["-c", command], { env: { ...process.env, ...environment }, detached: true });
    channel.pipe(shell.stdin);
    shell.stdin.on("error", () => {}); // The command ended without reading its input.
    // Like sshd, let a slow client slow the command down.
    shell.stdout.pipe(channel, { end: false });
    shell.stderr.on("data", (data: Buffer) => channel.stderr.write(data));
    channel.on("close", () => {
      if (shell.exitCode === null && shell.signalCode === null) process.kill(-shell.pid!, "SIGHUP");
    });
    shell.on("close", (code, signal) => {
      if (signal !== null) channel.exit(signal.replace(/^SIG/, ""), false);
      else channel.exit(code ?? 0);
      channel.end();
    });
  });
}

/** The connection to this server, as an input of a command or upload, with a single attempt. */
export function connectionTo({ port, privateKey, hostKey }: SshServer) {
  return { host: "127.0.0.1", port, user: "root", privateKey, hostKey, dialErrorLimit: 0, perDialTimeout: 15 };
}
