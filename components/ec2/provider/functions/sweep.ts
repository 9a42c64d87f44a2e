// Finds and removes what our machines left behind in AWS regions.
import { sweepPlaces } from "../../../../provider/kit/sweep.ts";
import { answer } from "../../../../provider/resource.ts";
import { sweep } from "../../contract.ts";
import { asking } from "../client.ts";
import { findLeftovers, removeLeftover } from "../leftovers.ts";

export const ec2Sweep = answer(sweep, ({ regions, project, stack, ...asked }, context) =>
  sweepPlaces(
    asked,
    regions.map((region) => ({
      find: (present) =>
        asking(`looking for leftovers in ${region}`, async () => {
          const found = await findLeftovers(region, { project, stack }, present);
          return found.map((leftover) => ({ ...leftover, region }));
        }),
      remove: (leftover) =>
        asking(`removing ${leftover.id} in ${region}`, () => removeLeftover(region, leftover, context)),
    })),
  ),
);
