// The lease of an EC2 machine: made before the machine and dropped after it. Dropping the lease makes sure that the
// machine is gone, with its disks, key pair, security group and unproven image, whatever happened in between. Instance,
// key pair and security group are declared with `deletedWith: lease`.
import { randomBytes } from "node:crypto";
import { labelKey, ownerLabels } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { asking } from "../client.ts";
import { removeOrphanedSnapshots } from "../images.ts";
import { dropMachine, dropUnprovenImages, isInterrupted, machineNames } from "../machines.ts";
import { tagNames } from "../../facts/tags.ts";
import { findInstances, tagsOf, type Tags } from "../tagged-resources.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface Ec2LeaseInputs {
  region: string;
  /** The first part of the machine's name. */
  prefix: string;
  /** What is ours is found by these when the state is lost: project, stack, distribution, recipe, role (common/labels.ts). */
  labels: Record<string, string>;
  /** Seconds after which the machine ends itself. */
  lifetime: number;
  /** Whether people and commands log in to the machine after the bake, too. */
  open: boolean;
  /** Whether the stack's state has the machine. */
  recorded: boolean;
  /** Whether the machine is to run, unless it is sealed. */
  power: "on" | "off";
  /** What the machine is made with. It is kept as it was when the lease was made: a change counts for the next machine. */
  madeWith: Record<string, unknown>;
}

export interface Ec2LeaseState extends Omit<Ec2LeaseInputs, "power" | "madeWith"> {
  /** Both are missing in leases that were made before there were such. */
  power?: "on" | "off";
  madeWith?: Record<string, unknown>;
  /** The machine's name, never used twice; tag `ci-images:machine` on everything that belongs to it. */
  machine: string;
  /** When the machine ends itself, ISO 8601. */
  deadline: string;
}

/** `ci-images:ec2:Lease`. */
export const ec2Lease: ResourceType<Ec2LeaseInputs, Ec2LeaseState> = {
  token: "ci-images:ec2:Lease",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string" },
      prefix: { type: "string", minLength: 1 },
      labels: { type: "object", required: ["project", "stack", "distribution", "recipe", "role"] },
      lifetime: { type: "integer", minimum: 60 },
      open: { type: "boolean" },
      recorded: { type: "boolean" },
      power: { enum: ["on", "off"] },
      madeWith: { type: "object" },
    },
    required: ["region", "prefix", "labels", "lifetime", "open", "recorded", "power", "madeWith"],
  },
  replaceOn: ["region", "prefix", "labels"],

  /**
   * Replaces a lease that expired, whose machine is gone, or whose machine lets nobody in any more. Also one whose
   * machine has no record in the state, after a kill -9: its names can't be used twice. We can't start a spot machine
   * that AWS has stopped, and a sealed machine that somebody started is no longer sealed.
   */
  async drift(_id, { region, machine, deadline, madeWith }, wanted) {
    if (Date.parse(deadline) < Date.now() || wanted?.recorded === false || madeWith === undefined) return "replace";
    return asking(`looking for machine ${machine} in ${region}`, async () => {
      const [instance] = await findInstances(region, { [tagNames.machine]: machine });
      if (!instance || instance.State?.Name === "shutting-down") return "replace";
      if (wanted?.power !== "off" && isInterrupted(instance)) return "replace";
      const sealing = tagsOf(instance)[tagNames.sealing];
      if (sealing === "done" && instance.State?.Name === "running") return "replace";
      return sealing === "started" || (sealing !== undefined && wanted?.open) ? "replace" : "none";
    });
  },

  async create(inputs, context) {
    const { region, labels } = inputs;
    await asking(`removing what earlier bakes left in ${region}`, async () => {
      for (const earlier of await machineNames(region, ownerTags(labels), labels.worker)) {
        await dropMachine(region, earlier, context);
        await dropUnprovenImages(region, earlier, context);
        context.progress(`removed ${earlier}, left by an earlier bake`);
      }
      const { project, stack, distribution } = ownerTagsOf(labels);
      await removeOrphanedSnapshots(region, { ...project, ...stack, ...distribution }, labels.worker, context.progress);
    });
    const machine = `${inputs.prefix}-${randomBytes(3).toString("hex")}`;
    const deadline = new Date(Date.now() + inputs.lifetime * 1000).toISOString();
    return { id: machine, outputs: { ...inputs, machine, deadline } };
  },

  async delete(_id, { region, machine }, context) {
    await asking(`removing machine ${machine} in ${region}`, async () => {
      await dropMachine(region, machine, context);
      await dropUnprovenImages(region, machine, context);
    });
  },
};

/** Each owner's label as a tag. */
function ownerTagsOf(labels: Tags): Record<(typeof ownerLabels)[number], Tags> {
  return Object.fromEntries(
    ownerLabels.map((label) => [label, { [labelKey(ec2Labels, label)]: labels[label] }]),
  ) as never;
}

/** Without `recipe`, so that a new lease finds the machine of an edited recipe. */
function ownerTags(labels: Tags): Tags {
  return Object.assign({}, ...Object.values(ownerTagsOf(labels))) as Tags;
}
