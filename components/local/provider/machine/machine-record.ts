// What a machine's folder says of it: `machine.json`, written by whoever makes the machine, beside what its supervisor writes.
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
  /** Bytes of its disk. Without it the machine's changes may fill the file system that its folder is on. */
  size?: number;
  /** Hashes of everything up to each module that is going to run on it, in order: it may start from a layer that has some of them. */
  modules?: readonly string[];
  /** The SSH host key that the machine is born with, OpenSSH format. */
  hostPrivateKey: string;
  /** Its public half: one authorized_keys line. */
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
  cpus: number;
  /** The private half of the key that may log in, OpenSSH format: the machine is up when it lets us in. */
  privateKey: string;
}

/** What a machine is to be. */
export interface MachineSpec {
  /** Its name: lower-case letters, digits, dots and dashes; at most 200. */
  name: string;
  /** What it is found by: project, stack, distribution, recipe, ... */
  labels: Record<string, string>;
  /** When it ends itself, ISO 8601. */
  deadline: string;
  loginUser: string;
  /** The public key that may log in: one authorized_keys line. */
  authorizedKey: string;
  guest: ContainerGuest | VirtualMachineGuest;
}

/** machine.json: the spec without its secret, and how far the making has come. */
export interface MachineRecord extends Omit<MachineSpec, "guest"> {
  guest: Omit<ContainerGuest, "hostPrivateKey"> | Omit<VirtualMachineGuest, "privateKey">;
  /** `creating` until the machine has answered by SSH once: whatever stays so was left by a crash. */
  phase: "creating" | "ready";
  createdAt: string;
  /** What must be equal for two specs to be the same machine. */
  fingerprint: string;
  /** The boot of this computer in which it was made; its root was not synced to the disk, so it is lost with that boot. */
  bootId: string;
  /** The SSH host key, known from the start for a container, from its console for a virtual machine. */
  hostKey?: string;
  /** The way in that a virtual machine answered by: the bake's own, or its ordinary SSH. */
  way?: { port: number; user: string };
}

/** The folder of the machine of this name, whether it exists or not. */
export async function machineDirectory(name: string): Promise<string> {
  if (!/^[a-z0-9][a-z0-9.-]{0,199}$/.test(name)) throw new Error(`not a machine's name: ${JSON.stringify(name)}`);
  return join((await places()).machines, name);
}

/** The names of all folders of machines, also of half-made ones. */
export async function machineNames(): Promise<string[]> {
  const entries = await readdir((await places()).machines, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** The lock under which a machine is made, started, stopped and removed. */
export async function machineLock(name: string): Promise<string> {
  return `${await machineDirectory(name)}.lock`;
}

/** The record in a machine's folder; undefined when it has none (yet), or only what a full or broken disk left of one. */
export function readRecord(directory: string): Promise<MachineRecord | undefined> {
  return readState<MachineRecord>(join(directory, "machine.json"));
}

/** Writes a machine's record, in one step. */
export function writeRecord(directory: string, record: MachineRecord): Promise<void> {
  return writeState(join(directory, "machine.json"), record);
}

/** What makes a machine this one and no other: everything but its labels and deadline. */
export function fingerprintOf({ guest, loginUser, authorizedKey }: MachineSpec): string {
  const content = JSON.stringify([loginUser, authorizedKey, withoutSecret(guest)]);
  return createHash("sha256").update(content).digest("hex");
}

/** A guest as the record keeps it: private keys are in the machine's root and in the stack's state, and nowhere else. */
export function withoutSecret(guest: MachineSpec["guest"]): MachineRecord["guest"] {
  if (guest.kind === "vm") {
    const { kind, disk, firmware, memory, cpus } = guest;
    return { kind, disk, firmware, memory, cpus };
  }
  const { kind, base, hostPublicKey } = guest;
  return { kind, base, hostPublicKey };
}
