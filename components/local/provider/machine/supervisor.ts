// Starting, finding and ending the supervisor of a machine. What it does is in supervise.mjs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inControlGroup } from "./control-group.ts";
import type { Overlay } from "../overlay.ts";
import { childrenOf, identify, isAlive, signalProcess, type ProcessIdentity } from "../processes.ts";
import { readState, writeState } from "../state-file.ts";

/** An address of this computer that leads to a machine's SSH. */
export interface Address {
  host: string;
  port: number;
}

/** What a supervisor is told in supervise.json. */
export interface Supervision {
  /** When the machine ends itself, ISO 8601. */
  deadline: string;
  /** Addresses to choose from, the preferred one first. */
  addresses: Address[];
  /** Seconds a guest gets to power itself off before it is killed. */
  powerOffSeconds: number;
  guest: ContainerSupervision | VirtualMachineSupervision;
}

/** A container. Paths are absolute. */
export interface ContainerSupervision {
  kind: "container";
  /** The guest's ports that the machine's address leads to: the first by the address's port, others by their own. */
  ports: number[];
  /** systemd-nspawn and its arguments; gets the machine's control group as $CONTROL_GROUP. */
  command: string[];
  /** slirp4netns and its arguments; gets a pipe as file 3 to say that it is ready. */
  networkCommand: string[];
  overlay: Overlay;
  /** For mount(8). */
  overlayOptions: string;
  /** For mount(8), where the overlay has a disk. */
  diskOptions: string;
  /** What the machine's control group is called; it is made below the root where it is not there already. */
  controlGroup: string;
  /** The resolv.conf that was put into the guest and is to be taken out of it again. */
  nameServers: string;
}

/** A virtual machine. */
export interface VirtualMachineSupervision {
  kind: "vm";
  /** QEMU and its arguments. `ADDRESS:22` in them is replaced by the address that was chosen. */
  command: string[];
  /** QEMU's monitor socket (QMP), relative to the machine's folder. */
  monitor: string;
}

/** What a supervisor tells in status.json. */
export type Status =
  | { phase: "starting" }
  | ({ phase: "running" } & Address)
  | ({
      phase: "ended";
      /** `poweroff`: by the guest itself; `failed`: in any other way that nobody asked for. */
      reason: "poweroff" | "stop" | "deadline" | "failed";
      /** True when the guest did not go by itself and was killed. */
      forced: boolean;
      /** What went wrong. */
      detail?: string;
    } & Partial<Address>);

const program = fileURLToPath(new URL("./supervise.mjs", import.meta.url));

/**
 * Starts the supervisor of a machine.
 * @param directory The machine's folder.
 * @returns once it runs, long before the guest does.
 */
export async function startSupervisor(directory: string, supervision: Supervision): Promise<ProcessIdentity> {
  await writeState(join(directory, "supervise.json"), supervision);
  await writeState(join(directory, "status.json"), { phase: "starting" } satisfies Status);
  const log = await open(join(directory, "supervisor.log"), "a", 0o600);
  try {
    const namespaces = ["--fork", "--kill-child", "--pid", "--mount-proc", "--propagation", "private"];
    // Not execa, which is made for programs that one waits for.
    const [command, ...words] = inControlGroup(directory, ["unshare", ...namespaces, process.execPath, program]);
    const supervisor = spawn(command, words, {
      cwd: directory,
      stdio: ["ignore", log.fd, log.fd],
      detached: true,
      // Nothing of the environment, which may hold secrets, but the way to programs: it can be read as long as it runs.
      env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, LC_ALL: "C.UTF-8" },
    });
    await once(supervisor, "spawn");
    supervisor.unref();
    const identity = await identify(supervisor.pid!);
    if (!identity) throw new Error("the supervisor ended at once");
    await writeState(join(directory, "supervisor.json"), identity);
    return identity;
  } finally {
    await log.close();
  }
}

/** The running supervisor of the machine in this folder; undefined when there is none. */
export async function findSupervisor(directory: string): Promise<ProcessIdentity | undefined> {
  const identity = await readState<ProcessIdentity>(join(directory, "supervisor.json"));
  return identity && (await isAlive(identity)) ? identity : undefined;
}

/** What the supervisor of this folder said last; undefined when there was none yet. */
export function readStatus(directory: string): Promise<Status | undefined> {
  return readState<Status>(join(directory, "status.json"));
}

/** Tells the supervisor to power the guest off and end, and waits for that. Kills it when it takes longer than it may. */
export async function stopSupervisor(supervisor: ProcessIdentity, seconds: number): Promise<void> {
  // unshare, the process we know, takes no signals for its child, the supervisor proper.
  for (const pid of await childrenOf(supervisor.pid)) signalProcess(pid, "SIGTERM");
  if (!(await ended(supervisor, seconds))) await killSupervisor(supervisor);
}

/** Ends the supervisor, and with it all that belongs to the machine, at once. */
export async function killSupervisor(supervisor: ProcessIdentity): Promise<void> {
  const children = await childrenOf(supervisor.pid);
  if (!(await isAlive(supervisor))) return;
  for (const pid of [...children, supervisor.pid]) signalProcess(pid, "SIGKILL");
  if (!(await ended(supervisor, 20))) throw new Error(`process ${supervisor.pid} does not end`);
}

/** The guest's process 1, as this computer sees it; undefined until it runs. */
export async function findGuest(supervisor: ProcessIdentity): Promise<number | undefined> {
  for (const supervising of await childrenOf(supervisor.pid)) {
    for (const child of await childrenOf(supervising)) {
      const [guest] = await childrenOf(child);
      if (guest !== undefined) return guest;
    }
  }
  return undefined;
}

async function ended(identity: ProcessIdentity, seconds: number): Promise<boolean> {
  const until = Date.now() + seconds * 1000;
  while (await isAlive(identity)) {
    if (Date.now() > until) return false;
    await delay(20);
  }
  return true;
}
