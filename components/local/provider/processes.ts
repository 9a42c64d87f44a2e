// Processes as /proc tells of them. A process id alone proves nothing, because the kernel gives ids out again; together
// with the time of its start it names one process for as long as the computer runs.
import { readFile } from "node:fs/promises";

/** One process, for as long as this computer is not rebooted. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from the computer's boot to the process's start (man 5 proc). */
  startTime: string;
}

/** The identity of a running process; undefined when there is none of that id, or only its unreaped remains. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readProc(`/proc/${pid}/stat`);
  // The second field is the program's name in brackets and may hold anything: read on behind the last bracket.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, startTime: fields[19] };
}

/** True while exactly this process runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startTime === identity.startTime;
}

/** The ids of a process's children; none when it is gone. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children = (await readProc(`/proc/${pid}/task/${pid}/children`)) ?? "";
  return children.split(" ").filter(Boolean).map(Number);
}

/** Sends a signal to a process; does nothing when it is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A name for this boot of the computer: process identities, and data that was never written to disk, end with it. */
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
