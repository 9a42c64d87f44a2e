// Finds and removes what our machines left behind in the regions of an OpenStack.
import { findLeftovers, removeLeftover, type Leftover, type Owner } from "../leftovers.ts";
import { Region } from "../region.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";

interface SweepInputs extends Owner {
  regions: string[];
  /** The longest lifetime of the stack's machines, in seconds. */
  lifetime: number;
  /** ISO 8601: the time taken as now; whatever expired before it is a leftover. */
  now?: string;
  /** False only lists. */
  remove: boolean;
}

interface Swept extends Leftover {
  region: string;
  /** Why it could not be removed. */
  problem?: string;
}

/**
 * `ci-images:rackspace:sweep`: lists what has expired, and removes it when asked to. One failure doesn't stop the rest.
 */
export const sweep: FunctionType<SweepInputs, { leftovers: Swept[] }> = {
  token: "ci-images:rackspace:sweep",
  async call({ regions, lifetime, remove, project, stack, now }, context) {
    const present = now === undefined ? new Date() : new Date(now);
    const inRegions = regions.map(async (name) => {
      const region = new Region(name, context);
      const swept: Swept[] = [];
      // One by one: a security group can only be deleted once its server is gone.
      for (const leftover of await findLeftovers(region, { project, stack }, lifetime, present)) {
        const problem = remove ? await problemOf(removeLeftover(region, leftover)) : undefined;
        swept.push({ ...leftover, region: name, ...(problem !== undefined && { problem }) });
      }
      return swept;
    });
    return { leftovers: (await Promise.all(inRegions)).flat() };
  },
};
