// Starts, finds and ends a machine's supervisor, the process in supervise.mjs.
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

/** A supervisor's instructions: supervise.json. */
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
  /** The guest's ports to forward: the first from the address's port, the others from the same port number. */
  ports: number[];
  /** systemd-nspawn and its arguments. $CONTROL_GROUP is the machine's control group. */
  command: string[];
  /** slirp4netns and its arguments. File descriptor 3 is a pipe on which it reports that it is ready. */
  networkCommand: string[];
  overlay: Overlay;
  /** For mount(8). */
  overlayOptions: string;
  /** For mount(8), if the overlay has a disk. */
  diskOptions: string;
  /** The name of the machine's control group. It is made if it is missing. */
  controlGroup: string;
  /** The resolv.conf that was put into the guest, to be removed at the end. */
  nameServers: string;
}

/** A virtual machine. */
export interface VirtualMachineSupervision {
  kind: "vm";
  /** QEMU and its arguments. `ADDRESS:22` is replaced by the chosen address and port. */
  command: string[];
  /** QEMU's monitor socket (QMP), relative to the machine's folder. */
  monitor: string;
}

/** A supervisor's report: status.json. */
export type Status =
  | { phase: "starting" }
  | ({ phase: "running" } & Address)
  | ({
      phase: "ended";
      /** `poweroff`: the guest powered itself off; `failed`: it ended in another way that was not requested. */
      reason: "poweroff" | "stop" | "deadline" | "failed";
      /** Whether the guest had to be killed. */
      forced: boolean;
      /** What went wrong. */
      detail?: string;
    } & Partial<Address>);

const program = fileURLToPath(new URL("./supervise.mjs", import.meta.url));

/**
 * Starts the supervisor of a machine.
 * @param directory The machine's folder.
 * @returns as soon as it runs, long before the guest does.
 */
export async function startSupervisor(directory: string, supervision: Supervision): Promise<ProcessIdentity> {
  await writeState(join(directory, "supervise.json"), supervision);
  await writeState(join(directory, "status.json"), { phase: "starting" } satisfies Status);
  const log = await open(join(directory, "supervisor.log"), "a", 0o600);
  try {
    const namespaces = ["--fork", "--kill-child", "--pid", "--mount-proc", "--propagation", "private"];
    // Not execa, which is made for programs that are waited for.
    const [command, ...words] = inControlGroup(directory, ["unshare", ...namespaces, process.execPath, program]);
    const supervisor = spawn(command, words, {
      cwd: directory,
      stdio: ["ignore", log.fd, log.fd],
      detached: true,
      // Only PATH: our environment may hold secrets, and the supervisor's can be read as long as it runs.
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

/** The running supervisor of the machine in this folder; undefined if there is none. */
export async function findSupervisor(directory: string): Promise<ProcessIdentity | undefined> {
  const identity = await readState<ProcessIdentity>(join(directory, "supervisor.json"));
  return identity && (await isAlive(identity)) ? identity : undefined;
}

/** The last report of this folder's supervisor; undefined if there was none yet. */
export function readStatus(directory: string): Promise<Status | undefined> {
  return readState<Status>(join(directory, "status.json"));
}

/** Makes the supervisor power the guest off and end. Kills it if that takes longer than `seconds`. */
export async function stopSupervisor(supervisor: ProcessIdentity, seconds: number): Promise<void> {
  // The process we know is unshare, which does not forward signals to its child, the actual supervisor.
  for (const pid of await childrenOf(supervisor.pid)) signalProcess(pid, "SIGTERM");
  if (!(await ended(supervisor, seconds))) await killSupervisor(supervisor);
}

/** Kills the supervisor, and with it everything that belongs to the machine. */
export async function killSupervisor(supervisor: ProcessIdentity): Promise<void> {
  const children = await childrenOf(supervisor.pid);
  if (!(await isAlive(supervisor))) return;
  for (const pid of [...children, supervisor.pid]) signalProcess(pid, "SIGKILL");
  if (!(await ended(supervisor, 20))) throw new Error(`process ${supervisor.pid} does not end`);
}

/** The id, on this computer, of the guest's process 1; undefined until it runs. */
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
