// Waits for something in a cloud, with a deadline and states that mean failure. Errors say what was awaited, its last
// state, how long it took, and where to look.
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../common/user-error.ts";
import type { Context } from "../resource.ts";

/** The result of one check. */
export type Seen<T> =
  /** The wait is over; this is its result. */
  | { done: T }
  /** Not yet; the current state, in the cloud's terms. */
  | { state: string }
  /** It will never happen; why, and the cure. */
  | { failed: string; cure?: string };

export interface Wait<T> {
  /** Kind, name and id: `server worker-1a2b (4c3d...)`. */
  what: string;
  /** The awaited state: `to be SHUTOFF`. */
  until: string;
  /** Seconds after which we give up. */
  deadline: number;
  /** A command with which a person can look at it. */
  lookAt: string;
  /** Checks the cloud once. An error ends the wait. */
  look(): Promise<Seen<T>>;
}

const first = 200;
const longest = 3000;

/**
 * The longest pause between two checks, in milliseconds: 3 s, or the seconds in `CI_IMAGES_POLL_SECONDS`, for tests
 * with clouds that answer at once.
 */
export function longestPause(environment: NodeJS.ProcessEnv = process.env): number {
  const seconds = Number(environment.CI_IMAGES_POLL_SECONDS);
  return seconds > 0 ? seconds * 1000 : longest;
}

/**
 * Checks repeatedly, with pauses that grow from 0.2 s to {@link longestPause}. Shows every new state.
 * @throws UserError on a state that means failure, and at the deadline; the reason of `context.signal` if it is
 *   aborted.
 */
export async function waitFor<T>(wait: Wait<T>, { progress, signal }: Context): Promise<T> {
  const started = Date.now();
  let pause = Math.min(first, longestPause());
  for (let shown = ""; ;) {
    const seen = await wait.look();
    if ("done" in seen) return seen.done;
    const waited = `${((Date.now() - started) / 1000).toFixed(0)} s`;
    const where = `${wait.what}, waited ${waited} for it ${wait.until}`;
    if ("failed" in seen) {
      const cure = [seen.cure, `look at it with \`${wait.lookAt}\``].filter(Boolean).join("; ");
      throw new UserError({ where, found: seen.failed, cure });
    }
    if (Date.now() - started >= wait.deadline * 1000) {
      throw new UserError({
        where,
        found: `it is still ${seen.state}`,
        allowed: `at most ${wait.deadline} s`,
        cure: `look at it with \`${wait.lookAt}\`; \`pulumi up\` continues, \`pulumi destroy\` removes everything`,
      });
    }
    if (seen.state !== shown) progress(`${wait.what} is ${seen.state}`, true);
    shown = seen.state;
    await rest(pause, signal);
    pause = Math.min(pause * 1.5, longestPause());
  }
}

/** Sleeps, unless the user cancels. @throws the signal's reason if it is aborted. */
export async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
