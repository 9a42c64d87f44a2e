// The pulumi commands that are running, so that a second Ctrl-C can end them.
import { setTimeout as sleep } from "node:timers/promises";

/** A process that leads its own process group. */
interface Command extends PromiseLike<unknown> {
  pid?: number;
  kill(signal: NodeJS.Signals): boolean;
}

const running = new Set<Command>();

/** How long a command may take to save the state and remove its lock, in milliseconds. */
const grace = 10_000;

/** Remembers a command until it ends. */
export function track(command: Command): void {
  running.add(command);
  const forget = () => running.delete(command);
  command.then(forget, forget);
}

/**
 * Sends SIGINT to the running commands again, on which the engine stops at once, and waits until they have ended. Those
 * that take too long, or all of them when called again meanwhile, are killed with their process group.
 */
export async function endCommands(): Promise<void> {
  const ending = [...running].map(async (command) => {
    command.kill("SIGINT");
    // Without a reference, so that the timer doesn't keep us running after the command.
    await Promise.race([command, sleep(isEnding ? 0 : grace, undefined, { ref: false })]);
    if (!running.has(command)) return;
    killGroup(command.pid!);
    await Promise.race([command, sleep(1000)]);
  });
  isEnding = true;
  await Promise.all(ending);
}

let isEnding = false;

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    // It has ended just now.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
