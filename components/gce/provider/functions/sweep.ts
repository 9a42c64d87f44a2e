// Finding and removing what machines of ours left behind in a project of Google Compute Engine.
import { Compute } from "../compute.ts";
import { findLeftovers, removeLeftover, type Leftover, type Owner } from "../leftovers.ts";
import { Bucket } from "../storage.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";

interface SweepInputs extends Owner {
  /** The project of Google Cloud; without it, that of the environment or of the credentials. */
  place?: string;
  /** The bucket of the stack's imports. */
  bucket?: string;
  /** ISO 8601: what counts as the present; what expires before it is a leftover. */
  now?: string;
  /** False only looks. */
  remove: boolean;
}

interface Swept extends Leftover {
  /** The project of Google Cloud. */
  place: string;
  /** Why it could not be removed. */
  problem?: string;
}

/**
 * `ci-images:gce:sweep`: lists what is past its expiry, and removes it when asked to. One that can't be removed does not keep the
 * others.
 */
export const gceSweep: FunctionType<SweepInputs, { leftovers: Swept[] }> = {
  token: "ci-images:gce:sweep",
  async call({ place, bucket: name, project, stack, remove, now }, context) {
    const present = now === undefined ? new Date() : new Date(now);
    const compute = await Compute.open(place, context);
    const bucket = name === undefined ? undefined : await Bucket.open(name, context);
    const swept: Swept[] = [];
    // One after the other: a disk can only go when its instance is gone.
    for (const leftover of await findLeftovers(compute, { project, stack }, present, bucket)) {
      const problem = remove ? await problemOf(removeLeftover(compute, leftover, bucket)) : undefined;
      swept.push({ ...leftover, place: compute.project, ...(problem !== undefined && { problem }) });
    }
    return { leftovers: swept };
  },
};
