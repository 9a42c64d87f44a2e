// Waiting for something in a cloud: with a deadline, with the states that mean failure, and with an error that tells what
// was waited for, how it was when we gave up, how long that took and where to look.
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../common/user-error.ts";
import type { Context } from "../resource.ts";

/** What one look has seen. */
export type Seen<T> =
  /** The wait is over; this is its result. */
  | { done: T }
  /** Not yet; the present state, in the cloud's own words. */
  | { state: string }
  /** It will never be; why, and what to do about it. */
  | { failed: string; cure?: string };

export interface Wait<T> {
  /** Kind, name and id: `server worker-1a2b (4c3d...)`. */
  what: string;
  /** What is waited for: `to be SHUTOFF`. */
  until: string;
  /** Seconds after which we give up. */
  deadline: number;
  /** Where a person can look: a command to run. */
  lookAt: string;
  /** One look at the cloud; what it throws ends the wait. */
  look(): Promise<Seen<T>>;
}

const first = 200;
const longest = 3000;

/**
 * The longest pause between two looks, in milliseconds: 3 s, or as many seconds as `CI_IMAGES_POLL_SECONDS` says (tests
 * against clouds that answer at once set it low).
 */
export function longestPause(environment: NodeJS.ProcessEnv = process.env): number {
  const seconds = Number(environment.CI_IMAGES_POLL_SECONDS);
  return seconds > 0 ? seconds * 1000 : longest;
}

/**
 * Looks again and again, with pauses that grow from 0.2 s to {@link longestPause}. Every new state is shown.
 * @throws UserError on a state that means failure and at the deadline; what `context.signal` says when it is aborted.
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

/** Sleeps, unless the user gives up. @throws what the signal says when it is aborted. */
export async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
