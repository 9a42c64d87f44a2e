// Finds and removes what our machines left behind in AWS regions.
import { asking } from "../client.ts";
import { findLeftovers, removeLeftover, type Leftover, type Owner } from "../leftovers.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";

interface SweepInputs extends Owner {
  /** Where to look: the region that the stack bakes in, and those it copies to. */
  regions: string[];
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

/** `ci-images:ec2:sweep`: lists what has expired, and removes it when asked to. One failure doesn't stop the rest. */
export const ec2Sweep: FunctionType<SweepInputs, { leftovers: Swept[] }> = {
  token: "ci-images:ec2:sweep",
  async call({ regions, remove, project, stack, now }, context) {
    const present = now === undefined ? new Date() : new Date(now);
    const owner = { project, stack };
    const inRegions = regions.map(async (region) => {
      const found = await asking(`looking for leftovers in ${region}`, () => findLeftovers(region, owner, present));
      const swept: Swept[] = [];
      for (const leftover of found) {
        const doing = `removing ${leftover.id} in ${region}`;
        const removal = () => asking(doing, () => removeLeftover(region, leftover, context));
        const problem = remove ? await problemOf(removal()) : undefined;
        swept.push({ ...leftover, region, ...(problem !== undefined && { problem }) });
      }
      return swept;
    });
    return { leftovers: (await Promise.all(inRegions)).flat() };
  },
};
