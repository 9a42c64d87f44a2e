// What the sweeps of all clouds share.

/**
 * Waits for the removal of one leftover. One that can't be removed must not keep the others.
 * @returns why it could not be removed; undefined when it was.
 */
export async function problemOf(removal: Promise<void>): Promise<string | undefined> {
  try {
    await removal;
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
