// The common part of all clouds' `sweep`.
import { problemOf } from "./problem-of.ts";

/** A place to sweep: a region, a project. */
interface SweptPlace<L> {
  /** @param present The time to use as now. What expired before it is a leftover. */
  find(present: Date): Promise<L[]>;
  remove(leftover: L): Promise<unknown>;
}

/**
 * Lists the leftovers of all places, and removes them if asked. One failure doesn't stop the rest.
 * @returns the leftovers; `problem` says why one could not be removed.
 */
export async function sweepPlaces<L extends object>(
  { now, remove }: { now?: string; remove: boolean },
  places: readonly SweptPlace<L>[],
): Promise<{ leftovers: (L & { problem?: string })[] }> {
  const present = now === undefined ? new Date() : new Date(now);
  const inPlaces = places.map(async (place) => {
    const swept: (L & { problem?: string })[] = [];
    // One by one: a disk can only be deleted once its machine is gone.
    for (const leftover of await place.find(present)) {
      const problem = remove ? await problemOf(place.remove(leftover)) : undefined;
      swept.push({ ...leftover, ...(problem !== undefined && { problem }) });
    }
    return swept;
  });
  return { leftovers: (await Promise.all(inPlaces)).flat() };
}
