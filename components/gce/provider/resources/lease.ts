// The lease of a machine on Google Compute Engine: dropping it makes sure that instance and boot disk are gone. The machine is declared with
// `deletedWith: lease`: the official provider's delete fails on an instance that is gone already.
import type { StateOf } from "../../../../common/contract.ts";
import { cloudLabels, isOfWorker, labelKey } from "../../../../common/labels.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import { Lease } from "../../contract.ts";
import { gceLabels } from "../../facts/labels.ts";
import { Compute, unwatched } from "../compute.ts";
import { diskPath, instancePath, limits, marks, removeMachine, stopped } from "../machines.ts";
import { labelFilter, nameOf, type Disk, type Image, type Instance } from "../types.ts";

export const gceLease = leaseOf(Lease, {
  /** Their disks, too, for an instance may have ended itself. */
  async *removeEarlier({ project: place, labels: { project, stack, distribution, role, worker } }, context) {
    const compute = await Compute.open(place, context);
    const filter = labelFilter(cloudLabels(gceLabels, { project, stack, distribution, role }));
    const [instances, disks] = await Promise.all([
      compute.listEverywhere<Instance>("instances", filter),
      compute.listEverywhere<Disk>("disks", filter),
    ]);
    const machines = new Map<string, { zone: string; machine: string }>();
    const own = [...instances, ...disks].filter((each) => isOfWorker(gceLabels, each.labels, worker));
    for (const { name: machine, zone: url } of own) {
      const zone = nameOf(url);
      machines.set(`${zone}/${machine}`, { zone, machine });
    }
    const removed = await Promise.all([...machines.values()].map((machine) => removeMachine(compute, machine)));
    yield* removed.flat();
  },

  /**
   * Of no use is a machine whose sealing began but did not end, one that vanished, and one that somebody else stopped before it was sealed:
   * it has no address any more. One that we stopped cleanly has left its disk, and that is enough to go on with; unless it was started
   * again, or is to be logged in to.
   */
  async isUseless(state, wanted) {
    if (wanted?.recorded === false) return true;
    const compute = await Compute.open(state.project, unwatched);
    const [instance, disk] = await Promise.all([
      compute.find<Instance>(instancePath(state)),
      compute.find<Disk>(diskPath(state)),
    ]);
    if (disk?.labels?.[marks.retired] !== undefined) return wanted?.open === true || instance?.status === "RUNNING";
    if (instance === undefined) return true;
    // One that stays for people is theirs: what is on it is not thrown away (see Reachable).
    if (wanted?.runs && !wanted.open && stopped.includes(instance.status)) return true;
    return instance.labels?.[marks.sealing] !== undefined;
  },

  async end(state, context) {
    const compute = await Compute.open(state.project, context);
    for (const removed of await removeMachine(compute, state)) context.progress(`removed ${removed}`);
    if (state.image !== undefined) await removeUnproven(compute, state.image, state);
  },
});

/** An image that was made from the machine's disk but not verified: verified ones have a record of their own. */
async function removeUnproven(
  compute: Compute,
  name: string,
  { machine, labels }: StateOf<typeof Lease>,
): Promise<void> {
  const image = await compute.find<Image>(`global/images/${name}`);
  if (image === undefined || image.labels?.[marks.verified] !== undefined) return;
  const ours =
    nameOf(image.sourceDisk ?? "") === machine &&
    image.labels?.[labelKey(gceLabels, "recipe")] === gceLabels.value(labels.recipe);
  if (ours) await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
}
