// The machines of the local cloud: builders (containers) and machines booted from finished images (QEMU). Each has a
// folder and, while it runs, a supervisor process (supervise.mjs) that outlives us. Each name has a lock.
import { access, chmod, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tryLock, withLock } from "../file-lock.ts";
import { makeDisk } from "./builder-disk.ts";
import { bootGuest, hostKeyOf, overlayOf, powerOffSeconds } from "./boot.ts";
import { removeControlGroup } from "./control-group.ts";
import { checkBase, prepareContainer } from "./container.ts";
import {
  fingerprintOf,
  machineDirectory,
  machineLock,
  machineNames,
  readRecord,
  withoutSecret,
  writeRecord,
  type ContainerGuest,
  type MachineRecord,
  type MachineSpec,
} from "./machine-record.ts";
import { indexOf, layerStateFile, presentModulesFile, type LayerState } from "../layers/layer-state.ts";
import { startFromLayer } from "../layers/start-from-layer.ts";
import type { Overlay } from "../overlay.ts";
import { bootId } from "../processes.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { removeTree } from "../remove-tree.ts";
import { readState, writeState } from "../state-file.ts";
import { findSupervisor, killSupervisor, readStatus, stopSupervisor } from "./supervisor.ts";
import type { Progress } from "../types.ts";
import type { Connection } from "../../../../provider/kit/connection.ts";
import { prepareVirtualMachine } from "./virtual-machine.ts";

export type { ContainerGuest, MachineSpec, VirtualMachineGuest } from "./machine-record.ts";
export { builderResidue } from "./container.ts";
export { rootView, type MachineRootView as RootView } from "./machine-root.ts";

/** A machine as it is now. */
export interface Machine {
  name: string;
  /** Its folder. */
  directory: string;
  /** How to log in; for a stopped machine, how it was when it last ran. */
  connection: Connection;
  state: "running" | "stopped";
  labels: Record<string, string>;
  /** ISO 8601. */
  deadline: string;
  /** ISO 8601. */
  createdAt: string;
}

/**
 * Makes a machine and waits until it answers by SSH with its host key. A machine of the same name and specification is
 * reused, and started if it is stopped. A crash's leftovers under that name are removed first.
 * @throws UserError if the base lacks what a builder needs, or the machine does not come up; nothing is left then.
 */
export async function createMachine(spec: MachineSpec, progress: Progress, signal?: AbortSignal): Promise<Machine> {
  const directory = await machineDirectory(spec.name);
  if (spec.guest.kind === "container") await checkBase(spec.guest.base);
  return await withLock(
    await machineLock(spec.name),
    async () => {
      const flaw = await flawOf(directory);
      if (flaw === undefined) return await takeOver(directory, spec, progress, signal);
      await removeLocked(directory);
      await mkdir(directory, { mode: 0o700 });
      try {
        const record = newRecord(spec, await bootId());
        await writeRecord(directory, record);
        await prepare(directory, spec, progress, signal);
        await bootGuest(directory, record, progress, signal, loginKeyOf(spec));
        await beginLayers(directory);
      } catch (error) {
        await removeLocked(directory);
        throw error;
      }
      return (await describe(directory))!;
    },
    { signal, onWait: () => progress(`waiting for another process that is using ${spec.name}`) },
  );
}

/** The machine of this name; undefined if there is none, or only a crash's leftovers. */
export async function findMachine(name: string): Promise<Machine | undefined> {
  return await describe(await machineDirectory(name));
}

/** All machines that have these labels. */
export async function listMachines(labels: Record<string, string> = {}): Promise<Machine[]> {
  const machines = await Promise.all((await machineNames()).map(findMachine));
  return machines
    .filter((machine) => machine !== undefined)
    .filter((machine) => Object.entries(labels).every(([label, value]) => machine.labels[label] === value));
}

/**
 * Powers a machine off cleanly, and waits until it is off. Its root is kept. A guest that does not power off within a
 * minute is killed, and `progress` reports it.
 */
export async function stopMachine(name: string, progress?: Progress, signal?: AbortSignal): Promise<Machine> {
  const directory = await machineDirectory(name);
  return await withLock(
    await machineLock(name),
    async () => {
      const supervisor = await findSupervisor(directory);
      if (supervisor) await stopSupervisor(supervisor, powerOffSeconds + 10);
      const status = await readStatus(directory);
      if (status?.phase === "ended" && status.forced) progress?.(`${name} did not power off by itself and was killed`);
      return await existing(directory, name);
    },
    { signal },
  );
}

/** Starts a machine and waits until it answers by SSH. No-op if it is running. */
export async function startMachine(
  name: string,
  progress: Progress = () => {},
  signal?: AbortSignal,
): Promise<Machine> {
  const directory = await machineDirectory(name);
  return await withLock(
    await machineLock(name),
    async () => {
      await existing(directory, name);
      return await startLocked(directory, progress, signal);
    },
    { signal },
  );
}

/** Ends a machine at once, with everything that belongs to it, and removes its folder. No-op if there is none. */
export async function removeMachine(name: string): Promise<void> {
  const directory = await machineDirectory(name);
  await withLock(await machineLock(name), () => removeLocked(directory));
}

/** A machine that a crash left behind. */
export interface Leftover {
  name: string;
  /** Why it is unusable. */
  reason: string;
  /** Why it could not be removed; undefined if it was removed, or only listed. */
  problem?: string;
}

/**
 * Removes what crashes left: half-made machines, machines whose supervisor died or whose deadline has passed, and those
 * from an earlier boot of this computer. Call it at the start of every process. Skips machines that another process is
 * using. A machine that can't be removed does not stop the rest.
 * @param labels Only machines with these labels.
 * @param remove Whether to remove them, or only list them.
 * @returns the machines that were (or would be) removed, and those that could not be.
 */
export async function reapMachines(labels: Record<string, string> = {}, remove = true): Promise<Leftover[]> {
  const reaped: Leftover[] = [];
  for (const name of await machineNames()) {
    const directory = await machineDirectory(name);
    const reason = await flawOf(directory);
    if (reason === undefined) continue;
    const own = (await readRecord(directory))?.labels ?? {};
    if (Object.entries(labels).some(([label, value]) => own[label] !== value)) continue;
    let isGone = false;
    const removal = async (): Promise<void> => {
      // Another process may have removed it, or made it again.
      if (!(await exists(directory)) || (await flawOf(directory)) === undefined) return;
      await removeLocked(directory);
      isGone = true;
    };
    const problem = remove ? await problemOf(tryLock(await machineLock(name), removal)) : undefined;
    if (!remove || isGone) reaped.push({ name, reason });
    else if (problem !== undefined) reaped.push({ name, reason, problem });
  }
  return reaped;
}

/** Why the machine in this folder is unusable; undefined if it is fine. */
async function flawOf(directory: string): Promise<string | undefined> {
  const record = await readRecord(directory);
  if (!record || record.phase === "creating") return "it was never finished";
  if (Date.parse(record.deadline) <= Date.now()) return "its deadline has passed";
  if (record.bootId !== (await bootId())) return "this computer was rebooted";
  if (await findSupervisor(directory)) return undefined;
  const status = await readStatus(directory);
  if (status?.phase !== "ended") return "its supervisor was killed";
  return status.reason === "failed" ? `it failed: ${status.detail}` : undefined;
}

function newRecord(spec: MachineSpec, boot: string): MachineRecord {
  const { name, labels, deadline, loginUser, authorizedKey } = spec;
  return {
    ...{
      name,
      labels,
      deadline,
      loginUser,
      authorizedKey,
      guest: withoutSecret(spec.guest),
      phase: "creating",
      bootId: boot,
    },
    createdAt: new Date().toISOString(),
    fingerprint: fingerprintOf(spec),
  };
}

/** Fills a new machine's folder with everything it needs to boot. */
async function prepare(directory: string, spec: MachineSpec, progress: Progress, signal?: AbortSignal): Promise<void> {
  const { guest, authorizedKey, loginUser } = spec;
  if (guest.kind === "vm") {
    return await prepareVirtualMachine(directory, { disk: guest.disk, authorizedKey, loginUser, signal });
  }
  const { hostPrivateKey, hostPublicKey, base, size, modules = [] } = guest;
  const place = { base, size, loginUser };
  const emptyRoot = () => makeRoot(directory, guest, progress, signal);
  const { overlay, layer } = await startFromLayer(place, modules, indexOf(directory), emptyRoot, progress, signal);
  const prefixes = modules.slice(0, layer?.count ?? 0);
  await writeFile(presentModulesFile(directory), prefixes.map((prefix) => `${prefix}\n`).join(""));
  const keys = { loginUser, authorizedKey, hostPrivateKey, hostPublicKey };
  await prepareContainer(overlay, { ...keys, before: layer?.description }, signal);
  const from = layer && { prefixes, createdAt: layer.description.createdAt };
  await writeState(layerStateFile(directory), { place, since: Date.now(), ...(from && { from }) } satisfies LayerState);
  if (from) progress(`starts from a layer of ${from.createdAt}: ${layer.description.modules.join(", ")}`);
}

/** Restarts the clock for layers after the boot: only the modules' time counts. */
async function beginLayers(directory: string): Promise<void> {
  const state = await readState<LayerState>(layerStateFile(directory));
  if (state) await writeState(layerStateFile(directory), { ...state, since: Date.now() });
}

/** Makes the folders of a container's root, on its own disk if a size is given. */
async function makeRoot(
  directory: string,
  { base, size }: ContainerGuest,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Overlay> {
  // Left by a failed attempt with a layer.
  for (const name of ["disk.img", "disk-content", "disk", "upper", "work", "root"])
    await removeTree(join(directory, name));
  // The guest sees the mode of `upper` as the mode of `/`.
  const mode = (await stat(base)).mode & 0o7777;
  const problem = size === undefined ? undefined : await makeDisk(directory, size, mode, signal);
  if (problem !== undefined)
    progress(
      `the builder has no disk of its own and can fill this computer's: files can't be mounted here: ${problem}`,
    );
  const overlay = overlayOf(directory, base);
  await mkdir(overlay.path);
  if (!overlay.disk) {
    for (const folder of [overlay.work, overlay.upper]) await mkdir(folder);
    await chmod(overlay.upper, mode);
  }
  return overlay;
}

async function takeOver(
  directory: string,
  spec: MachineSpec,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Machine> {
  const record = (await readRecord(directory))!;
  if (record.fingerprint !== fingerprintOf(spec)) throw new Error(`there is another machine named ${spec.name}`);
  await writeRecord(directory, { ...record, labels: spec.labels });
  return await startLocked(directory, progress, signal, loginKeyOf(spec));
}

/** The private key for trying to log in to a virtual machine. */
function loginKeyOf({ guest }: MachineSpec): string | undefined {
  return guest.kind === "vm" ? guest.privateKey : undefined;
}

async function startLocked(
  directory: string,
  progress: Progress,
  signal?: AbortSignal,
  loginKey?: string,
): Promise<Machine> {
  if (!(await findSupervisor(directory))) {
    const record = (await readRecord(directory))!;
    if (record.guest.kind === "container") {
      await prepareContainer(overlayOf(directory, record.guest.base), undefined, signal);
    }
    await bootGuest(directory, record, progress, signal, loginKey);
  }
  return (await describe(directory))!;
}

async function removeLocked(directory: string): Promise<void> {
  const supervisor = await findSupervisor(directory);
  if (supervisor) await killSupervisor(supervisor);
  await removeControlGroup(directory);
  await removeTree(directory);
}

async function existing(directory: string, name: string): Promise<Machine> {
  const machine = await describe(directory);
  if (!machine) throw new Error(`there is no machine ${name}`);
  return machine;
}

async function describe(directory: string): Promise<Machine | undefined> {
  const record = await readRecord(directory);
  const supervisor = await findSupervisor(directory);
  const status = await readStatus(directory);
  if (!record || record.phase === "creating" || (!supervisor && (await flawOf(directory)))) return undefined;
  const { name, labels, deadline, createdAt, loginUser } = record;
  const { host = "", port = 0 } = status?.phase === "starting" ? {} : (status ?? {});
  return {
    ...{ name, directory, labels, deadline, createdAt, state: supervisor ? "running" : "stopped" },
    connection: { host, port, user: loginUser, ...record.way, hostKey: hostKeyOf(record) },
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
