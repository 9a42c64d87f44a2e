// Boots a prepared machine, and waits until it answers by SSH.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { UserError } from "../../../../common/user-error.ts";
import { doorPort, doorUser } from "../../../../provision/builder/door.ts";
import { diskOf } from "./builder-disk.ts";
import { containerSupervision } from "./container.ts";
import { LatestLook } from "./latest-look.ts";
import { writeRecord, type MachineRecord } from "./machine-record.ts";
import { addressesFor } from "./network.ts";
import type { Overlay } from "../overlay.ts";
import type { ProcessIdentity } from "../processes.ts";
import { accelerator, qemuCommand, qemuVersion, virtualCpus, virtualMachineFiles } from "./qemu.ts";
import { ConsoleVerdict, onThisComputer } from "../../../../provider/kit/console-verdict.ts";
import { answersSsh } from "../../../../provider/kit/ssh-answer.ts";
import { findGuest, findSupervisor, killSupervisor, readStatus, startSupervisor } from "./supervisor.ts";
import type { Address, Supervision } from "./supervisor.ts";
import type { Seen } from "../../../../provider/kit/wait.ts";
import { WayFinder } from "../../../../provider/kit/way-in.ts";
import type { Progress } from "../types.ts";
import { doorKeyOf, hostKeyFromConsole, saysItHasDoor } from "./virtual-machine.ts";

/** Seconds until SSH must answer. A container takes one or two; on emulated hardware, or in it, a boot takes minutes. */
const bootSeconds = 600;
/** Seconds a guest gets to power itself off. */
export const powerOffSeconds = 60;

/** The folders of a container's root. */
export function overlayOf(directory: string, base: string): Overlay {
  const disk = diskOf(directory);
  const hasDisk = existsSync(disk.file);
  const [upper, work] = ["upper", "work"].map((name) => join(hasDisk ? disk.path : directory, name)) as [
    string,
    string,
  ];
  return { lower: [base], upper, work, path: join(directory, "root"), ...(hasDisk && { disk }) };
}

/** The host key of a machine that has booted before. */
export function hostKeyOf(record: MachineRecord): string {
  return record.hostKey ?? (record.guest.kind === "container" ? record.guest.hostPublicKey.trim() : "");
}

/**
 * Starts the machine's supervisor, waits until the guest accepts SSH logins, and records the machine as ready.
 * @param loginKey The private key that a virtual machine must accept.
 * @throws UserError with the console's last lines if the guest does not come up; the supervisor has ended by then.
 */
export async function bootGuest(
  directory: string,
  record: MachineRecord,
  progress: Progress,
  signal?: AbortSignal,
  loginKey?: string,
): Promise<void> {
  const started = Date.now();
  const supervisor = await startSupervisor(directory, await supervisionOf(directory, record));
  try {
    const found = await untilReady(directory, record, supervisor, signal, loginKey);
    await writeRecord(directory, { ...record, ...found, phase: "ready" });
    progress(`${record.name} answers after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    await killSupervisor(supervisor);
    throw error;
  }
}

async function supervisionOf(directory: string, { name, deadline, guest }: MachineRecord): Promise<Supervision> {
  const common = { deadline, addresses: addressesFor(name), powerOffSeconds };
  if (guest.kind === "container") {
    return { ...common, guest: containerSupervision(directory, name, overlayOf(directory, guest.base)) };
  }
  const { firmware, memory } = guest;
  const accelerated = await accelerator();
  const cpus = virtualCpus(accelerated);
  // Relative paths: the supervisor works in the machine's folder, and a socket's path has at most 108 characters.
  const emulator = { accelerator: accelerated, version: await qemuVersion() };
  const options = { directory: ".", firmware, memory, cpus, address: "ADDRESS", ...emulator };
  return { ...common, guest: { kind: "vm", command: qemuCommand(options), monitor: virtualMachineFiles.monitor } };
}

/** The host key that a machine answered with, and the way in, if it is not the ordinary SSH port and login user. */
type Found = Pick<MachineRecord, "hostKey" | "way">;

async function untilReady(
  directory: string,
  record: MachineRecord,
  supervisor: ProcessIdentity,
  signal?: AbortSignal,
  loginKey?: string,
): Promise<Found> {
  const look =
    record.guest.kind === "vm"
      ? virtualMachineFinder(directory, record, loginKey)
      : containerFinder(record, supervisor);
  const started = Date.now();
  const verdict = new ConsoleVerdict(onThisComputer);
  // A look may take long; the console may show sooner what went wrong.
  const looks = new LatestLook<Found>();
  let hasDoor = false;
  while (Date.now() - started < bootSeconds * 1000) {
    signal?.throwIfAborted();
    const status = await readStatus(directory);
    if (record.guest.kind === "vm" && !hasDoor && (await saysItHasDoor(directory))) {
      hasDoor = true;
      // QEMU accepts connections before the guest has a network: such a connection hangs.
      looks.abandon();
    }
    if (status?.phase === "running") looks.start(() => look(status));
    await delay(pauseAfter(Date.now() - started), undefined, { signal });
    const { broken, seen } = looks;
    if (broken !== undefined) throw broken;
    if ("done" in seen) return seen.done;
    if ("failed" in seen) return await neverReady(directory, record, `${seen.failed}; ${seen.cure}`);
    if (record.guest.kind === "vm" && (await gaveUp(directory)))
      return await neverReady(directory, record, "KVM on this computer failed, and the machine is paused");
    const reason = record.guest.kind === "vm" ? verdict.judge(await consoleOf(directory), Date.now()) : undefined;
    if (reason !== undefined) return await neverReady(directory, record, withState(reason, looks.seen));
    if (!(await findSupervisor(directory)))
      return await neverReady(directory, record, "it ended before it answered by SSH");
  }
  const late = `it did not answer by SSH within ${bootSeconds} s`;
  return await neverReady(directory, record, withState(late, looks.seen));
}

function withState(reason: string, seen: Seen<Found>): string {
  return "state" in seen && seen.state ? `${reason}; ${seen.state}` : reason;
}

/** Whether KVM could not run one of the guest's instructions. QEMU then pauses the machine and logs the error. */
async function gaveUp(directory: string): Promise<boolean> {
  const said = await readFile(join(directory, "guest.log"), "utf8").catch(() => "");
  return said.includes("KVM internal error");
}

/** One look at the machine: the way in, why there never will be one, or its present state. */
type Look = (address: Address) => Promise<Seen<Found>>;

/**
 * Milliseconds until a machine must begin to answer. The bake's own way in starts an sshd per connection: hanging up early would only
 * keep a slow computer busy.
 */
const tryFor = 15_000;

/** Milliseconds between two looks at the machine: a boot that takes long has no processor time to spare for them. */
const pauseAfter = (milliseconds: number): number => (milliseconds < 5000 ? 20 : 200);

function containerFinder(record: MachineRecord, supervisor: ProcessIdentity): Look {
  const hostKey = hostKeyOf(record);
  return async ({ host, port }) => {
    if (!(await answersSsh({ host, port, user: record.loginUser, hostKey }, tryFor))) return { state: "" };
    // SSH answers before PAM lets ordinary users in (pam_nologin).
    const guest = await findGuest(supervisor);
    const isUp = guest !== undefined && !existsSync(`/proc/${guest}/root/run/nologin`);
    return isUp ? { done: { hostKey } } : { state: "" };
  };
}

function virtualMachineFinder(directory: string, { name, loginUser }: MachineRecord, loginKey?: string): Look {
  if (loginKey === undefined) throw new Error(`no key for the virtual machine ${name}`);
  const finder = new WayFinder({ privateKey: loginKey, patience: tryFor });
  return async ({ host, port }) => {
    const way = { port: doorPort, user: doorUser };
    const [doorKey, hostKey] = await Promise.all([
      doorKeyOf(directory),
      hostKeyFromConsole(join(directory, "console.log")),
    ]);
    const seen = await finder.look({
      own: { host, ...way, hostKey: doorKey },
      ...(hostKey !== undefined && { ordinary: { host, port, user: loginUser, hostKey } }),
    });
    if (!("done" in seen)) return seen;
    const { hostKey: found } = seen.done;
    return { done: found === doorKey ? { hostKey: found, way } : { hostKey: found } };
  };
}

async function neverReady(directory: string, { name }: MachineRecord, found: string): Promise<never> {
  const status = await readStatus(directory);
  const detail = status?.phase === "ended" && status.detail !== undefined ? ` (${status.detail})` : "";
  const logs = await Promise.all(
    ["console.log", "guest.log", "supervisor.log"].map((file) => lastLines(join(directory, file))),
  );
  throw new UserError({
    where: `machine ${name}`,
    found: `${found}${detail}; its last output:\n${logs.filter(Boolean).join("\n")}\n`,
    cure: "check these lines, and the recipe's changes to sshd, cloud-init and the network; the base may not be bootable",
  });
}

/** The console's log as plain text. */
async function consoleOf(directory: string): Promise<string> {
  const file = join(directory, virtualMachineFiles.console);
  return stripVTControlCharacters(await readFile(file, "latin1")).replaceAll("\r", "");
}

async function lastLines(file: string): Promise<string> {
  const text = existsSync(file) ? await readFile(file, "utf8") : "";
  // Remove a console's colours and cursor movements.
  return stripVTControlCharacters(text).replaceAll("\r", "").trimEnd().split("\n").slice(-15).join("\n");
}
