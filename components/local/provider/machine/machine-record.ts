// `machine.json`: the record of a machine in its folder, written by the process that makes the machine.
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { readState, writeState } from "../state-file.ts";

/** A builder: systemd in a container over a base root file system. */
export interface ContainerGuest {
  kind: "container";
  /** The base's folder. It is never changed. */
  base: string;
  /** Bytes of its disk. Without it, the machine can fill this computer's disk. */
  size?: number;
  /** Prefix hashes of the modules that will run on it, in order: it may start from a layer that has some of them. */
  modules?: readonly string[];
  /** The SSH host key to install, OpenSSH format. */
  hostPrivateKey: string;
  /** The public half, in one line. */
  hostPublicKey: string;
}

/** A virtual machine that boots a finished disk, over a throw-away layer. */
export interface VirtualMachineGuest {
  kind: "vm";
  /** Path of a qcow2 file; it is never written to. */
  disk: string;
  firmware: "uefi" | "bios";
  /** MiB. */
  memory: number;
  /** The private half of the key that may log in, OpenSSH format. The machine is up once it accepts the key. */
  privateKey: string;
}

/** The specification of a machine. */
export interface MachineSpec {
  /** Its name: lower-case letters, digits, dots and dashes; at most 200. */
  name: string;
  /** Labels to find it by: project, stack, distribution, recipe, ... */
  labels: Record<string, string>;
  /** When it ends itself, ISO 8601. */
  deadline: string;
  loginUser: string;
  /** The public key that may log in: one authorized_keys line. */
  authorizedKey: string;
  guest: ContainerGuest | VirtualMachineGuest;
}

/** The content of machine.json: the specification without its secret, and the machine's progress. */
export interface MachineRecord extends Omit<MachineSpec, "guest"> {
  guest: Omit<ContainerGuest, "hostPrivateKey"> | Omit<VirtualMachineGuest, "privateKey">;
  /** `creating` until the machine has answered by SSH once. A machine that stays so was left by a crash. */
  phase: "creating" | "ready";
  createdAt: string;
  /** Equal for two specifications of the same machine. */
  fingerprint: string;
  /** The boot of this computer in which it was made. Its root is never synced to the disk, so a reboot loses it. */
  bootId: string;
  /** The SSH host key: for a container known from the start, for a virtual machine read from its console. */
  hostKey?: string;
  /** The way in that a virtual machine answered by, if it is the bake's own. */
  way?: { port: number; user: string };
}

/** The folder for a machine of this name. It need not exist. */
export async function machineDirectory(name: string): Promise<string> {
  if (!/^[a-z0-9][a-z0-9.-]{0,199}$/.test(name)) throw new Error(`not a machine's name: ${JSON.stringify(name)}`);
  return join((await places()).machines, name);
}

/** The names of all machines that have a folder, half-made ones included. */
export async function machineNames(): Promise<string[]> {
  const entries = await readdir((await places()).machines, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** The lock to hold while making, starting, stopping or removing a machine. */
export async function machineLock(name: string): Promise<string> {
  return `${await machineDirectory(name)}.lock`;
}

/** The record in a machine's folder; undefined if it is missing or corrupted. */
export function readRecord(directory: string): Promise<MachineRecord | undefined> {
  return readState<MachineRecord>(join(directory, "machine.json"));
}

/** Writes a machine's record atomically. */
export function writeRecord(directory: string, record: MachineRecord): Promise<void> {
  return writeState(join(directory, "machine.json"), record);
}

/** Identifies a machine by everything except its labels and deadline. */
export function fingerprintOf({ guest, loginUser, authorizedKey }: MachineSpec): string {
  const content = JSON.stringify([loginUser, authorizedKey, withoutSecret(guest)]);
  return createHash("sha256").update(content).digest("hex");
}

/** A guest as the record keeps it. Private keys are only in the machine's root and the stack's state. */
export function withoutSecret(guest: MachineSpec["guest"]): MachineRecord["guest"] {
  if (guest.kind === "vm") {
    const { kind, disk, firmware, memory } = guest;
    return { kind, disk, firmware, memory };
  }
  const { kind, base, hostPublicKey } = guest;
  return { kind, base, hostPublicKey };
}
