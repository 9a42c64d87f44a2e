// Removals that must not keep other work from being done.

/**
 * Waits for the removal of one leftover. One that can't be removed must not keep the others, or the caller's own work.
 * @returns why it could not be removed; undefined when it was.
 */
export async function problemOf(removal: Promise<unknown>): Promise<string | undefined> {
  try {
    await removal;
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
