// Finds and removes what our machines left behind in a Google Cloud project.
import { Compute } from "../compute.ts";
import { findLeftovers, removeLeftover, type Leftover, type Owner } from "../leftovers.ts";
import { Bucket } from "../storage.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";

interface SweepInputs extends Owner {
  /** The Google Cloud project; by default, that of the environment or the credentials. */
  place?: string;
  /** The bucket of the stack's imports. */
  bucket?: string;
  /** ISO 8601: the time taken as now; whatever expired before it is a leftover. */
  now?: string;
  /** False only lists. */
  remove: boolean;
}

interface Swept extends Leftover {
  /** The Google Cloud project. */
  place: string;
  /** Why it could not be removed. */
  problem?: string;
}

/** `ci-images:gce:sweep`: lists what has expired, and removes it when asked to. One failure doesn't stop the rest. */
export const gceSweep: FunctionType<SweepInputs, { leftovers: Swept[] }> = {
  token: "ci-images:gce:sweep",
  async call({ place, bucket: name, project, stack, remove, now }, context) {
    const present = now === undefined ? new Date() : new Date(now);
    const compute = await Compute.open(place, context);
    const bucket = name === undefined ? undefined : await Bucket.open(name, context);
    const swept: Swept[] = [];
    // One by one: a disk can only be deleted once its instance is gone.
    for (const leftover of await findLeftovers(compute, { project, stack }, present, bucket)) {
      const problem = remove ? await problemOf(removeLeftover(compute, leftover, bucket)) : undefined;
      swept.push({ ...leftover, place: compute.project, ...(problem !== undefined && { problem }) });
    }
    return { leftovers: swept };
  },
};
