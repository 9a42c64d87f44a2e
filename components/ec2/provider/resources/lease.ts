// The lease of an EC2 machine. Dropping it makes sure that the machine is gone, with its disks, key pair, security
// group and unproven image. Instance, key pair and security group are declared with `deletedWith: lease`.
import { cloudLabels } from "../../../../common/labels.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import type { Context } from "../../../../provider/resource.ts";
import { Lease } from "../../contract.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { tagNames } from "../../facts/tags.ts";
import { asking } from "../client.ts";
import { removeOrphanedSnapshots } from "../images.ts";
import { disownImages, dropMachine, dropUnprovenImages, isInterrupted, machineNames } from "../machines.ts";
import { findInstances, tagsOf } from "../tagged-resources.ts";

export const ec2Lease = leaseOf(Lease, {
  async *removeEarlier({ region, labels: { project, stack, distribution, role, worker } }, context) {
    const removing = <T>(work: () => Promise<T>) => asking(`removing what earlier bakes left in ${region}`, work);
    const owner = { project, stack, distribution };
    for (const earlier of await removing(() =>
      machineNames(region, cloudLabels(ec2Labels, { ...owner, role }), worker),
    )) {
      await removing(() => drop(region, earlier, context));
      yield earlier;
    }
    await removing(() => removeOrphanedSnapshots(region, cloudLabels(ec2Labels, owner), worker, context));
  },

  async disownImages({ region, labels: { project, stack, distribution } }) {
    const tags = cloudLabels(ec2Labels, { project, stack, distribution, role: "image" });
    await asking(`looking for images in ${region}`, () => disownImages(region, tags));
  },

  /**
   * A machine is useless if it is gone, or accepts no login any more. Also if it has no record after a kill -9: its
   * names can't be used twice. We can't start a spot machine that AWS has stopped, and a sealed machine that somebody
   * started is no longer sealed.
   */
  async isUseless({ region, machine, madeWith }, wanted) {
    if (wanted?.recorded === false || madeWith === undefined) return true;
    return asking(`looking for machine ${machine} in ${region}`, async () => {
      const [instance] = await findInstances(region, { [tagNames.machine]: machine });
      if (!instance || instance.State?.Name === "shutting-down") return true;
      if (wanted?.power !== "off" && isInterrupted(instance)) return true;
      const sealing = tagsOf(instance)[tagNames.sealing];
      if (sealing === "done" && instance.State?.Name === "running") return true;
      return sealing === "started" || (sealing !== undefined && wanted?.open === true);
    });
  },

  async end({ region, machine }, context) {
    await asking(`removing machine ${machine} in ${region}`, () => drop(region, machine, context));
  },
});

async function drop(region: string, machine: string, context: Context): Promise<void> {
  await dropMachine(region, machine, context);
  await dropUnprovenImages(region, machine, context);
}
