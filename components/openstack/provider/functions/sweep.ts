// Finds and removes what our machines left behind in the regions of an OpenStack.
import { sweepPlaces } from "../../../../provider/kit/sweep.ts";
import { answer } from "../../../../provider/resource.ts";
import * as contract from "../../contract.ts";
import { findLeftovers, removeLeftover } from "../leftovers.ts";
import { Region } from "../region.ts";

export const sweep = answer(contract.sweep, ({ regions, lifetime, project, stack, ...asked }, context) =>
  sweepPlaces(
    asked,
    regions.map((name) => {
      const region = new Region(name, context);
      return {
        async find(present) {
          const found = await findLeftovers(region, { project, stack }, lifetime, present);
          return found.map((leftover) => ({ ...leftover, region: name }));
        },
        remove: (leftover) => removeLeftover(region, leftover),
      };
    }),
  ),
);
