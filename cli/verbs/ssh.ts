// `ssh`: opens a terminal on the builder, or runs one command.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { quote } from "../../provision/shell/shell.ts";
import { answers } from "../silent-builders.ts";
import { recipeOption } from "../recipe-choice.ts";
import { chosenWorkers } from "../worker-choice.ts";
import type { Login, ExportedState } from "../exported-state.ts";
import type { Call, Verb } from "../verb.ts";

export const ssh: Verb = {
  name: "ssh",
  summary: "opens a terminal on the builder, or runs one command and returns its exit status; checks the host key",
  operands: [{ name: "[command...]", what: "the command to run; without one, opens a terminal" }],
  options: [recipeOption],
  takesAllWords: true,
  whenStopped: "The builder keeps running.",
  leavesInterrupt: true,
  examples: ["ssh", "ssh 'ls -l'", "ssh:'ls -l'", "--distribution debian12 ssh uptime"],
  async run({ operands, options, session }) {
    const stack = await session.stack({ ...options, keepSettings: true });
    const state = await stack.state();
    const login = chosen(state, options, stack.name);
    const end = state.endOf(login);
    if (end !== undefined) {
      throw new UserError({
        where: `the builder of ${login.worker}`,
        found: `was ${end} when its image was made, and no longer accepts logins`,
        cure: "./ci-images up makes one",
      });
    }
    if (login.power === "off") {
      throw new UserError({ where: `the builder of ${login.worker}`, found: "is powered off", cure: "./ci-images up" });
    }
    const { worker, host, port } = login;
    if (!(await answers(login, patience * 1000))) {
      throw new UserError({
        where: `the builder of ${worker}`,
        found: `does not answer at ${host} port ${port}; it was not stopped by \`./ci-images down\``,
        cure: "./ci-images up starts it again, or makes a new one if it is gone",
      });
    }
    return await connect(login, operands, session.interrupted);
  },
};

/** Seconds that the builder has to answer. */
const patience = 15;

function chosen(state: ExportedState, options: Call["options"], stack: string): Login {
  const { logins, recipeOf } = state;
  if (logins.length === 0) {
    throw new UserError({ where: `stack ${stack}`, found: "no builder", cure: "./ci-images up makes one" });
  }
  const isMeant = chosenWorkers(state, options, stack);
  const fitting = logins.filter(({ worker }) => isMeant(worker));
  if (fitting.length === 1) return fitting[0];
  const there = logins.map(({ worker }) => worker);
  const recipes = [...new Set(there.flatMap((worker) => recipeOf[worker] ?? []))];
  throw new UserError({
    where: `stack ${stack}`,
    found:
      fitting.length > 0 ? "several builders" : `no builder of ${options.distribution?.join(", ") ?? "this recipe"}`,
    allowed: there.join(", "),
    cure: `choose one with --distribution NAME${recipes.length > 1 ? ` or --recipe NAME (${recipes.join(", ")})` : ""}`,
  });
}

/**
 * Runs OpenSSH. Ctrl-C goes to the remote terminal as a key; without a remote terminal it ends the client.
 * @returns the remote command's exit status.
 */
async function connect(login: Login, command: readonly string[], interrupted: AbortSignal): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-ssh-"));
  try {
    const file = join(folder, "config");
    await writeFile(file, await configuration(login, folder), { mode: 0o600 });
    // The user's own configuration must not change the destination.
    const words = ["-F", file, "builder"];
    const remote = command.length > 0 ? ["--", command.join(" ")] : [];
    // A command that a person types gets a terminal, too: it can ask questions, and Ctrl-C ends it.
    const terminal = process.stdin.isTTY && process.stdout.isTTY ? ["-t"] : [];
    const { execa } = await import("execa");
    interrupted.throwIfAborted();
    const client = execa("ssh", [...terminal, ...words, ...remote], { stdio: "inherit", reject: false });
    const handOn = () => client.kill("SIGINT");
    interrupted.addEventListener("abort", handOn, { once: true });
    const { exitCode, failed, code, signal } = await client;
    if (failed && code === "ENOENT") {
      throw new UserError({
        where: "ssh",
        found: "no SSH client on PATH",
        cure: "install one: apt install openssh-client",
      });
    }
    return exitCode ?? 128 + (signal ? constants.signals[signal] : 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** OpenSSH's configuration for host `builder`, and for the bastion in front of it; see ssh_config(5). */
async function configuration(login: Login, folder: string): Promise<string> {
  const { proxy, tunnel } = login;
  const way: Record<string, string> = proxy
    ? { ProxyJump: "bastion" }
    : tunnel
      ? { ProxyCommand: tunnel.map((word) => quote(word).replaceAll("%", "%%")).join(" ") }
      : {};
  const builder = await hostBlock("builder", login, folder, way);
  return proxy ? `${builder}\n${await hostBlock("bastion", proxy, folder)}` : builder;
}

interface Host {
  host: string;
  port: number;
  user: string;
  hostKey: string;
  privateKey?: string;
}

/** A host's section, with files for its keys. */
async function hostBlock(
  name: string,
  { host, port, user, hostKey, privateKey }: Host,
  folder: string,
  more: Record<string, string> = {},
): Promise<string> {
  const [key, hosts] = [join(folder, `${name}-key`), join(folder, `${name}-known_hosts`)];
  if (privateKey !== undefined) {
    await writeFile(key, privateKey.endsWith("\n") ? privateKey : `${privateKey}\n`, { mode: 0o600 });
  }
  // One host, one key: any other host on that address is refused.
  await writeFile(hosts, `* ${hostKey.trim()}\n`);
  const settings = {
    HostName: host,
    Port: String(port),
    User: user,
    // Without this, OpenSSH uses the keys of the agent.
    ...(privateKey !== undefined && { IdentityFile: `"${key}"`, IdentitiesOnly: "yes" }),
    UserKnownHostsFile: `"${hosts}"`,
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    BatchMode: "yes",
    ConnectTimeout: String(patience),
    LogLevel: "ERROR",
    ...more,
  };
  return [`Host ${name}`, ...Object.entries(settings).map(([key, value]) => `  ${key} ${value}`), ""].join("\n");
}
