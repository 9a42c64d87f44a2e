// Waiting for a machine's first answer, and saving what its console said when none comes: the machine may be gone by the
// time that somebody wants to know why.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../common/user-error.ts";
import { places } from "./local/places.ts";
import { answersSsh } from "./local/ssh-answer.ts";
import type { Connection } from "./local/types.ts";
import type { Context } from "./resource.ts";
import { withComplaint } from "./tunnels.ts";
import { waitFor, type Seen } from "./wait.ts";

export interface FirstAnswer {
  /** Kind, name and id: `server worker-1a2b (4c3d...)`. */
  what: string;
  /** The machine's name, for the file that the console is saved in. */
  name: string;
  connection: Connection;
  /** Seconds that it may take. */
  deadline: number;
  /** Where a person can look: a command to run. */
  lookAt: string;
  /** Whether the machine can still come up: its present state, or why not. Asked whenever nobody answered. */
  state(): Promise<Exclude<Seen<never>, { done: never }>>;
  /** What the machine wrote on its serial console so far. */
  console(): Promise<string>;
}

/**
 * Waits until the machine's SSH answers with the host key that it was given.
 * @throws UserError when it never does, with the file that the console was saved in.
 */
export async function waitForAnswer(machine: FirstAnswer, context: Context): Promise<void> {
  const look = async (): Promise<Seen<undefined>> =>
    (await answersSsh(machine.connection, 5000))
      ? { done: undefined }
      : withComplaint(await machine.state(), machine.connection);
  const { what, deadline, lookAt } = machine;
  try {
    await waitFor({ what, until: "to answer by SSH with its host key", deadline, lookAt, look }, context);
  } catch (error) {
    if (!(error instanceof UserError) || context.signal.aborted) throw error;
    throw UserError.relayed(`${error.message}; ${await saveConsole(machine)}`);
  }
}

/** @returns what to tell the user: where the console is, or why it is not there. */
async function saveConsole(machine: FirstAnswer): Promise<string> {
  let text: string;
  try {
    text = await machine.console();
  } catch (error) {
    return `its console could not be read: ${(error as Error).message}`;
  }
  const folder = join((await places()).root, "consoles");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${machine.name}.log`);
  await writeFile(file, text, { mode: 0o600 });
  return `its console was saved in ${file}`;
}
