// Records the progress of a builder's sealing. A sealed machine accepts no login, so an interrupted sealing can't be
// resumed. The mark is outside the machine, where the next `pulumi up` can read it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "./machines.ts";

export type SealingState = "open" | "sealing" | "sealed";

/** The progress of the builder's sealing. */
export async function sealingState(machine: Machine): Promise<SealingState> {
  try {
    return (await readFile(markOf(machine), "utf8")) as SealingState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "open";
    throw error;
  }
}

/** Records the progress of the builder's sealing. */
export async function markSealing(machine: Machine, state: Exclude<SealingState, "open">): Promise<void> {
  await writeFile(markOf(machine), state);
}

function markOf(machine: Machine): string {
  return join(machine.directory, "sealing-state");
}
