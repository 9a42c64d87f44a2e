// Removes leftovers without letting a failure stop other work.

/**
 * Waits for the removal of one leftover. A failure must not stop the others, or the caller's own work.
 * @returns why it could not be removed; undefined if it was.
 */
export async function problemOf(removal: Promise<unknown>): Promise<string | undefined> {
  try {
    await removal;
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
