// Finding and removing what machines of ours left behind in the regions of an OpenStack.
import { findLeftovers, removeLeftover, type Leftover, type Owner } from "../leftovers.ts";
import { Region } from "../region.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";

interface SweepInputs extends Owner {
  regions: string[];
  /** Seconds that a machine of the stack may live. */
  lifetime: number;
  /** ISO 8601: what counts as the present; what expires before it is a leftover. */
  now?: string;
  /** False only looks. */
  remove: boolean;
}

interface Swept extends Leftover {
  region: string;
  /** Why it could not be removed. */
  problem?: string;
}

/**
 * `ci-images:rackspace:sweep`: lists what is past its expiry, and removes it when asked to. One that can't be removed does not
 * keep the others.
 */
export const sweep: FunctionType<SweepInputs, { leftovers: Swept[] }> = {
  token: "ci-images:rackspace:sweep",
  async call({ regions, lifetime, remove, project, stack, now }, context) {
    const present = now === undefined ? new Date() : new Date(now);
    const inRegions = regions.map(async (name) => {
      const region = new Region(name, context);
      const swept: Swept[] = [];
      // One after the other: a security group can only go when its server is gone.
      for (const leftover of await findLeftovers(region, { project, stack }, lifetime, present)) {
        const problem = remove ? await problemOf(removeLeftover(region, leftover)) : undefined;
        swept.push({ ...leftover, region: name, ...(problem !== undefined && { problem }) });
      }
      return swept;
    });
    return { leftovers: (await Promise.all(inRegions)).flat() };
  },
};
