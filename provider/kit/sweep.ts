// What all clouds' `sweep` has in common.
import { problemOf } from "./problem-of.ts";

/** One place that is swept: a region, a project. */
interface SweptPlace<L> {
  /** @param present What expires before it is a leftover. */
  find(present: Date): Promise<L[]>;
  remove(leftover: L): Promise<unknown>;
}

/**
 * Lists leftovers of all places, and removes them when asked to. One that can't be removed does not keep the others.
 * @returns each with `problem`, why it could not be removed.
 */
export async function sweepPlaces<L extends object>(
  { now, remove }: { now?: string; remove: boolean },
  places: readonly SweptPlace<L>[],
): Promise<{ leftovers: (L & { problem?: string })[] }> {
  const present = now === undefined ? new Date() : new Date(now);
  const inPlaces = places.map(async (place) => {
    const swept: (L & { problem?: string })[] = [];
    // One after the other: a disk can only go when its machine is gone.
    for (const leftover of await place.find(present)) {
      const problem = remove ? await problemOf(place.remove(leftover)) : undefined;
      swept.push({ ...leftover, ...(problem !== undefined && { problem }) });
    }
    return swept;
  });
  return { leftovers: (await Promise.all(inPlaces)).flat() };
}
