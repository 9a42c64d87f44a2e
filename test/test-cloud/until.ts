// Waiting for something, with an end.
import { setTimeout as delay } from "node:timers/promises";

/**
 * Looks again and again until it is so.
 * @param what For the message: `the server answers`.
 * @param seconds How long to wait at the most.
 * @throws Error when it is not so in time; and whatever `look` throws.
 */
export async function until(what: string, seconds: number, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await delay(20);
  }
}
