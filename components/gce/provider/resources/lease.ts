// The lease of a machine on Google Compute Engine. Dropping it makes sure that instance and boot disk are gone. The
// machine is declared with `deletedWith: lease`: the official provider fails to delete an instance that no longer
// exists.
import type { StateOf } from "../../../../common/contract.ts";
import { cloudLabels, isOfWorker, labelKey } from "../../../../common/labels.ts";
import { leaseOf } from "../../../../provider/kit/lease.ts";
import type { Context } from "../../../../provider/resource.ts";
import { Lease } from "../../contract.ts";
import { gceLabels, isImageOf, isMachineOf } from "../../facts/labels.ts";
import { Compute, unwatched } from "../compute.ts";
import {
  changeLabels,
  diskPath,
  findFinishedImage,
  instancePath,
  limits,
  marks,
  removeMachine,
  stopped,
} from "../machines.ts";
import { labelFilter, nameOf, type Disk, type Image, type Instance } from "../types.ts";

export const gceLease = leaseOf(Lease, {
  /** Looks for disks, too: an instance may have ended itself. */
  async *removeEarlier({ project: place, labels: { project, stack, distribution, role, worker } }, context) {
    const compute = await Compute.open(place, context);
    const filter = labelFilter(cloudLabels(gceLabels, { project, stack, distribution, role }));
    const [instances, disks] = await Promise.all([
      compute.listEverywhere<Instance>("instances", filter),
      compute.listEverywhere<Disk>("disks", filter),
    ]);
    const machines = new Map<string, { zone: string; machine: string }>();
    const own = [...instances, ...disks].filter(
      ({ labels }) => isMachineOf({ project, stack }, labels) && isOfWorker(gceLabels, labels, worker),
    );
    for (const { name: machine, zone: url } of own) {
      const zone = nameOf(url);
      machines.set(`${zone}/${machine}`, { zone, machine });
    }
    const removed = await Promise.all(
      [...machines.values()].map((machine) => removeMachine(compute, machine, context)),
    );
    yield* removed.flat();
  },

  async disownImages({ project: place, labels: { project, stack, distribution } }, context) {
    const compute = await Compute.open(place, context);
    const filter = labelFilter(cloudLabels(gceLabels, { project, stack, distribution, role: "image" }));
    const images = await compute.list<Image>("global/images", filter);
    for (const { name, status, labels } of images.filter((image) => isImageOf({ project, stack }, image))) {
      if (status !== "READY" || isVerifiedOrKept(labels)) continue;
      await changeLabels(compute, `global/images/${name}`, { [marks.kept]: "yes" });
    }
  },

  /**
   * A machine is useless if its sealing began but did not end, if it vanished, or if somebody stopped it before it was
   * sealed (it no longer has an address). If we stopped it cleanly, its disk is left, which is enough to continue,
   * unless it was started again or people should log in.
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
    // A machine kept for people is theirs: don't discard its content (see Reachable).
    if (wanted?.runs && !wanted.open && stopped.includes(instance.status)) return true;
    return instance.labels?.[marks.sealing] !== undefined;
  },

  async end(state, context) {
    const compute = await Compute.open(state.project, context);
    // The image first: while Google makes it, its disk can't be removed.
    if (state.image !== undefined) await removeUnproven(compute, state.image, state, context);
    for (const removed of await removeMachine(compute, state, context)) context.progress(`removed ${removed}`);
  },
});

/** Whether the stack declares an image. */
function isVerifiedOrKept(labels: Image["labels"]): boolean {
  return labels?.[marks.verified] !== undefined || labels?.[marks.kept] !== undefined;
}

/** Removes an unverified image made from the machine's disk, unless it has its own record. */
async function removeUnproven(
  compute: Compute,
  name: string,
  { machine, labels }: StateOf<typeof Lease>,
  context: Context,
): Promise<void> {
  const image = await compute.find<Image>(`global/images/${name}`);
  const isOurs =
    nameOf(image?.sourceDisk ?? "") === machine &&
    image?.labels?.[labelKey(gceLabels, "recipe")] === gceLabels.value(labels.recipe);
  if (!isOurs || isVerifiedOrKept(image?.labels)) return;
  const isLeft =
    (await findFinishedImage(compute, name, context, "to be finished, so that it can be removed")) !== undefined;
  if (isLeft) await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
}
