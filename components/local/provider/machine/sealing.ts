// How far a builder's sealing has come. A sealed machine lets nobody in, so an interrupted sealing can't be resumed; the
// mark outside of the machine says so to the next `pulumi up`.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "./machines.ts";

export type SealingState = "open" | "sealing" | "sealed";

/** Where the builder's sealing stands. */
export async function sealingState(machine: Machine): Promise<SealingState> {
  try {
    return (await readFile(markOf(machine), "utf8")) as SealingState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "open";
    throw error;
  }
}

/** Notes how far the builder's sealing has come. */
export async function markSealing(machine: Machine, state: Exclude<SealingState, "open">): Promise<void> {
  await writeFile(markOf(machine), state);
}

function markOf(machine: Machine): string {
  return join(machine.directory, "sealing-state");
}
