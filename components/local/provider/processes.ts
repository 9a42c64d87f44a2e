// Processes, read from /proc. The kernel reuses process ids, so an id alone proves nothing; with its start time it
// identifies one process until the computer reboots.
import { readFile } from "node:fs/promises";

/** Identifies one process until this computer reboots. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from the computer's boot to the process's start (man 5 proc). */
  startTime: string;
}

/** The identity of a running process; undefined if there is none with that id, or only a zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may contain anything: read on after the last one.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, startTime: fields[19] };
}

/** Whether this exact process is still running. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startTime === identity.startTime;
}

/** The ids of a process's children; none if it no longer exists. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children = (await readProc(`/proc/${pid}/task/${pid}/children`)) ?? "";
  return children.split(" ").filter(Boolean).map(Number);
}

/** Sends a signal to a process. No-op if it no longer exists. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** An id for this boot of the computer. Process identities and data that was never synced to disk end with the boot. */
export async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

async function readProc(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
