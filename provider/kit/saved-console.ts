// Waiting for a machine's first answer, and saving what its console said when none comes: the machine may be gone by the
// time that somebody wants to know why.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { places } from "./cache-folders.ts";
import type { Connection } from "./connection.ts";
import type { Context } from "../resource.ts";
import { withComplaint } from "../tunnels.ts";
import { waitFor, type Seen } from "./wait.ts";
import { WayFinder, waysTo, type Way } from "./way-in.ts";

export interface FirstAnswer {
  /** Kind, name and id: `server worker-1a2b (4c3d...)`. */
  what: string;
  /** The machine's name, for the file that the console is saved in. */
  name: string;
  /** Its ordinary SSH. */
  connection: Connection;
  /** The key that logs in, OpenSSH format. */
  privateKey: string;
  /** Seconds that it may take. */
  deadline: number;
  /** Where a person can look: a command to run. */
  lookAt: string;
  /** Whether the machine can still come up: its present state, or why not. Asked whenever nobody answered. */
  state(): Promise<Exclude<Seen<never>, { done: never }>>;
  /** What the machine wrote on its serial console so far, if anything. */
  console(): Promise<string | undefined>;
}

/**
 * Waits until the machine lets us in by SSH, with the host key that it was given.
 * @returns the way in that answered: the bake's own, or ordinary SSH where the machine has no such.
 * @throws UserError when it never does, with the file that the console was saved in.
 */
export async function waitForAnswer(machine: FirstAnswer, context: Context): Promise<Way> {
  const { what, deadline, lookAt } = machine;
  const look = wayLook(machine, 10_000, context);
  try {
    return await waitFor({ what, until: "to answer by SSH with its host key", deadline, lookAt, look }, context);
  } catch (error) {
    if (!(error instanceof UserError) || context.signal.aborted) throw error;
    throw UserError.relayed(`${error.message}; ${await saveConsole(machine)}`);
  }
}

/** Machines that are waited for: how they are reached, and how they are. */
type Awaited = Pick<FirstAnswer, "what" | "connection" | "privateKey" | "state">;

/**
 * Returns what looks whether and how a machine lets us in, as `waitFor` wants it.
 * @param patience Milliseconds in which the machine must begin to answer, at each look.
 */
export function wayLook(machine: Awaited, patience: number, { progress }: Context): () => Promise<Seen<Way>> {
  const { what, connection, privateKey } = machine;
  const ways = waysTo(connection);
  const finder = new WayFinder({ privateKey, patience });
  return async () => {
    const seen = await finder.look(ways);
    if ("failed" in seen) return seen;
    if ("done" in seen) {
      const { port: sshPort, user: sshUser } = seen.done;
      if (ways.own && seen.done !== ways.own) {
        progress(`${what} is reached by its ordinary SSH: the bake's own sshd (port ${ways.own.port}) does not answer`);
      }
      return { done: { sshPort, sshUser } };
    }
    const state = await withComplaint(await machine.state(), connection);
    return "state" in state && seen.state ? { state: `${state.state}: ${seen.state}` } : state;
  };
}

/** @returns what to tell the user: where the console is, or why it is not there. */
async function saveConsole(machine: FirstAnswer): Promise<string> {
  let text: string | undefined;
  try {
    text = await machine.console();
  } catch (error) {
    return `its console could not be read: ${(error as Error).message}`;
  }
  if (text === undefined) return "it has printed nothing on its console";
  const folder = join((await places()).root, "consoles");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${machine.name}.log`);
  await writeFile(file, text, { mode: 0o600 });
  const lines = text.trimEnd().split(/\r?\n/);
  const said = text.trim() ? `${lines.length} lines; the last one: ${JSON.stringify(lines.at(-1)!.trim())}` : "empty";
  return `its console (${said}) was saved in ${file}`;
}
