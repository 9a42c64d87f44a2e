// Polling with a deadline.
import { setTimeout as delay } from "node:timers/promises";

/**
 * Polls until `look` returns true.
 * @param what A description for the error: `the server answers`.
 * @param seconds The deadline, in seconds.
 * @throws Error after the deadline, and any error from `look`.
 */
export async function until(what: string, seconds: number, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await delay(20);
  }
}
