// The lease of a machine on Google Compute Engine: made before the machine and dropped after it. Dropping the lease
// makes sure that instance and boot disk are gone, whatever happened in between. The machine is declared with
// `deletedWith: lease`: the official provider fails to delete an instance that no longer exists.
import { randomBytes } from "node:crypto";
import { cloudLabels, labelKey, ownerLabels, isOfWorker, type Labels } from "../../../../common/labels.ts";
import { gceLabels } from "../../facts/labels.ts";
import { Compute, unwatched } from "../compute.ts";
import { diskPath, instancePath, limits, marks, removeMachine, stopped } from "../machines.ts";
import { labelFilter, nameOf, type Disk, type Image, type Instance } from "../types.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface LeaseInputs {
  /** The project's id. */
  project: string;
  zone: string;
  /** The first part of the machine's name; 49 characters at most. */
  prefix: string;
  /** What the machine is found by when the state is lost. */
  labels: Labels;
  /** Seconds after which Google ends the machine. */
  lifetime: number;
  /** What the machine is made with. It is kept as it was when the lease was made: a change counts for the next machine. */
  madeWith: Record<string, unknown>;
  /** Which image of ours it boots from: another one is another machine. */
  boots?: string;
  /** The name of the image that is to be made with the machine; dropped with the lease unless it was verified. */
  image?: string;
  /** True when people and commands are to log in to the machine: a sealed one, which lets nobody in, is replaced then. */
  open?: boolean;
  /**
   * True when the state has the machine. One that is there and has no record would be in the way of the one that the official
   * provider is to make under the same name; and a retired one, whose record went with a refresh, would be started again.
   */
  recorded: boolean;
  /** True when the state says that the machine runs: the official provider does not start one that somebody else stopped. */
  runs: boolean;
}

export interface LeaseState extends LeaseInputs {
  /** The instance's name and its boot disk's, never used twice. */
  machine: string;
  /** When Google ends the machine, ISO 8601. */
  deadline: string;
}

/** `ci-images:gce:Lease`. */
export const gceLease: ResourceType<LeaseInputs, LeaseState> = {
  token: "ci-images:gce:Lease",
  inputs: {
    type: "object",
    properties: {
      project: { type: "string" },
      zone: { type: "string" },
      prefix: { type: "string", pattern: "^[a-z][a-z0-9-]{0,48}$" },
      labels: { type: "object", required: [...ownerLabels, "recipe"] },
      lifetime: { type: "integer", minimum: 60 },
      madeWith: { type: "object" },
      boots: { type: "string" },
      image: { type: "string" },
      open: { type: "boolean" },
      recorded: { type: "boolean" },
      runs: { type: "boolean" },
    },
    required: ["project", "zone", "prefix", "labels", "lifetime", "madeWith", "recorded", "runs"],
  },
  replaceOn: ["project", "zone", "prefix", "labels", "boots"],

  /**
   * Replaces a lease that expired, whose machine vanished, whose sealing began but did not end, or whose machine
   * somebody else stopped before it was sealed (it has no address any more). If we stopped it cleanly, its disk is left
   * and is enough to continue; unless it was started again, or people are to log in.
   */
  async drift(_id, state, wanted) {
    if (Date.parse(state.deadline) < Date.now() || wanted?.recorded === false) return "replace";
    const compute = await Compute.open(state.project, unwatched);
    const [instance, disk] = await Promise.all([
      compute.find<Instance>(instancePath(state)),
      compute.find<Disk>(diskPath(state)),
    ]);
    if (disk?.labels?.[marks.retired] !== undefined) {
      return wanted?.open || instance?.status === "RUNNING" ? "replace" : "none";
    }
    if (instance === undefined) return "replace";
    // A machine kept for people is theirs: its contents are not thrown away (see Arrival).
    if (wanted?.runs && !wanted.open && stopped.includes(instance.status)) return "replace";
    return instance.labels?.[marks.sealing] === undefined ? "none" : "replace";
  },

  async create(inputs, context) {
    const compute = await Compute.open(inputs.project, context);
    for (const removed of await removeEarlier(compute, inputs.labels)) {
      context.progress(`removed ${removed}, left by an earlier bake`);
    }
    const machine = `${inputs.prefix}-${randomBytes(3).toString("hex")}`;
    const deadline = new Date(Date.now() + inputs.lifetime * 1000).toISOString();
    return { id: machine, outputs: { ...inputs, machine, deadline } };
  },

  async delete(_id, state, context) {
    const compute = await Compute.open(state.project, context);
    for (const removed of await removeMachine(compute, state)) context.progress(`removed ${removed}`);
    if (state.image !== undefined) await removeUnproven(compute, state.image, state);
  },
};

/**
 * Machines of the same owner, whatever their recipe and zone; and their disks, as an instance may have ended itself.
 */
async function removeEarlier(compute: Compute, labels: Labels): Promise<string[]> {
  const owner = Object.fromEntries(ownerLabels.map((label) => [label, labels[label]])) as Partial<Labels>;
  const filter = labelFilter(cloudLabels(gceLabels, owner));
  const [instances, disks] = await Promise.all([
    compute.listEverywhere<Instance>("instances", filter),
    compute.listEverywhere<Disk>("disks", filter),
  ]);
  const places = new Map<string, { zone: string; machine: string }>();
  const own = [...instances, ...disks].filter((each) => isOfWorker(gceLabels, each.labels, labels.worker));
  for (const { name: machine, zone: url } of own) {
    const zone = nameOf(url);
    places.set(`${zone}/${machine}`, { zone, machine });
  }
  const removed = await Promise.all([...places.values()].map((place) => removeMachine(compute, place)));
  return removed.flat();
}

/** An image that was made from the machine's disk but not verified: verified images have their own record. */
async function removeUnproven(compute: Compute, name: string, { machine, labels }: LeaseState): Promise<void> {
  const image = await compute.find<Image>(`global/images/${name}`);
  if (image === undefined || image.labels?.[marks.verified] !== undefined) return;
  const ours =
    nameOf(image.sourceDisk ?? "") === machine &&
    image.labels?.[labelKey(gceLabels, "recipe")] === gceLabels.value(labels.recipe);
  if (ours) await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
}
