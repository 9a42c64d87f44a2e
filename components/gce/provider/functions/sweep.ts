// Finds and removes what our machines left behind in a Google Cloud project.
import { sweepPlaces } from "../../../../provider/kit/sweep.ts";
import { answer } from "../../../../provider/resource.ts";
import { sweep } from "../../contract.ts";
import { Compute } from "../compute.ts";
import { findLeftovers, removeLeftover } from "../leftovers.ts";
import { Bucket } from "../storage.ts";

export const gceSweep = answer(sweep, async ({ place, bucket: name, project, stack, ...asked }, context) => {
  const compute = await Compute.open(place, context);
  const bucket = name === undefined ? undefined : await Bucket.open(name, context);
  return sweepPlaces(asked, [
    {
      async find(present) {
        const found = await findLeftovers(compute, { project, stack }, present, bucket);
        return found.map((leftover) => ({ ...leftover, place: compute.project }));
      },
      remove: (leftover) => removeLeftover(compute, leftover, bucket),
    },
  ]);
});
