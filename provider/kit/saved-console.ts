// Waits for a machine's first answer, and looks at its console now and then. If no answer comes, saves the console's
// output, because the machine may be gone by the time somebody investigates.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { places } from "./cache-folders.ts";
import type { Connection } from "./connection.ts";
import { ConsoleVerdict, explained, inCloud, symptomOf } from "./console-verdict.ts";
import type { Context } from "../resource.ts";
import { withComplaint } from "../tunnels.ts";
import { waitFor, type Seen } from "./wait.ts";
import { WayFinder, waysTo, type Way } from "./way-in.ts";

export interface FirstAnswer {
  /** Kind, name and id: `server worker-1a2b (4c3d...)`. */
  what: string;
  /** The machine's name, for the console's file. */
  name: string;
  /** Its ordinary SSH. */
  connection: Connection;
  /** The login key, OpenSSH format. */
  privateKey: string;
  /** Seconds until it must answer, unless CI_IMAGES_BOOT_SECONDS says otherwise. */
  deadline: number;
  /** A command with which a person can look at it. */
  lookAt: string;
  /** The machine's current state, or why it can't come up any more. Called whenever SSH did not answer. */
  state(): Promise<Exclude<Seen<never>, { done: never }>>;
  /** The serial console's output so far, if any. */
  console(): Promise<string | undefined>;
}

/**
 * Waits until the machine accepts our login by SSH, with the host key that it was given, or until its console says that
 * this will never happen.
 * @returns the way in that answered: the bake's own, or ordinary SSH if the machine doesn't have that.
 * @throws UserError if it never does, with the file in which the console was saved.
 */
export async function waitForAnswer(machine: FirstAnswer, context: Context): Promise<Way> {
  const { what, lookAt } = machine;
  const deadline = Number(process.env.CI_IMAGES_BOOT_SECONDS) || machine.deadline;
  const way = wayLook(machine, 10_000, context);
  const watch = new ConsoleWatch(() => machine.console());
  const look = async (): Promise<Seen<Way>> => {
    const seen = await way();
    const reason = "state" in seen ? await watch.reason(Date.now()) : undefined;
    return reason === undefined ? seen : { failed: reason };
  };
  try {
    return await waitFor({ what, until: "to answer by SSH with its host key", deadline, lookAt, look }, context);
  } catch (error) {
    if (!(error instanceof UserError) || context.signal.aborted) throw error;
    throw UserError.relayed(`${error.message}; ${await saveConsole(machine, error.message)}`);
  }
}

/** A machine that is waited for. */
type Awaited = Pick<FirstAnswer, "what" | "connection" | "privateKey" | "state">;

/**
 * Makes a `look` for {@link waitFor} that checks whether and how a machine lets us in.
 * @param patience Milliseconds in which the machine must start to answer, per check.
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

/** Milliseconds until the console is read for the first time: most machines answer sooner. */
const untilFirstLook = 60_000;
/** Milliseconds between two looks at the console. */
const betweenLooks = 30_000;

/** Reads a console now and then, for a reason why its machine will never answer. */
export class ConsoleWatch {
  private readonly verdict = new ConsoleVerdict(inCloud);
  private isReadable = true;
  private next: number;

  /** @param started Milliseconds, as `reason` is called with. */
  constructor(
    private readonly read: () => Promise<string | undefined>,
    started = Date.now(),
  ) {
    this.next = started + untilFirstLook;
  }

  /** @returns why the machine will never answer; undefined while it may, or if its console can't be read. */
  async reason(now: number): Promise<string | undefined> {
    if (!this.isReadable || now < this.next) return undefined;
    this.next = now + betweenLooks;
    try {
      return this.verdict.judge((await this.read()) ?? "", now);
    } catch {
      // The message at the deadline reads it again, and says why it can't be read.
      this.isReadable = false;
      return undefined;
    }
  }
}

/**
 * Saves the console.
 * @param known What the user is told already.
 * @returns a message: the file, or why there is none; and what the console says about the reason.
 */
async function saveConsole(machine: FirstAnswer, known: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await machine.console();
  } catch (error) {
    return `its console could not be read: ${(error as Error).message}`;
  }
  if (text === undefined) return "it has printed nothing on its console";
  let file: string;
  try {
    const folder = join((await places()).root, "consoles");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    file = join(folder, `${machine.name}.log`);
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    return `its console could not be saved: ${(error as Error).message}`;
  }
  const lines = text.trimEnd().split(/\r?\n/);
  const said = text.trim() ? `${lines.length} lines; the last one: ${JSON.stringify(lines.at(-1)!.trim())}` : "empty";
  const symptom = symptomOf(text);
  const isNew = symptom !== undefined && symptom.kind !== "prompt" && !known.includes(symptom.found);
  const why = isNew ? `, and says why: ${explained(symptom, inCloud)}` : "";
  return `its console (${said}) was saved in ${file}${why}`;
}
