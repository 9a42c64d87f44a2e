// Steps of the life cycle that act once on an EC2 machine. Nothing to delete: their records are dropped with the
// builder's by the `pulumi up` after the bake.
import { asking } from "../client.ts";
import { dropMachine, stopInstance } from "../machines.ts";
import { tagNames } from "../../facts/tags.ts";
import { putTags } from "../tagged-resources.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface Ec2StepInputs {
  region: string;
  /** The name that the machine's lease gave. */
  machine: string;
  /** The instance's id: another instance is another step. */
  instance: string;
}

/** The schema of these inputs. */
export const stepProperties = {
  region: { type: "string" },
  machine: { type: "string" },
  instance: { type: "string" },
};
const replaceOn = ["region", "machine", "instance"] as const;
const stepInputs = { type: "object" as const, properties: stepProperties, required: [...replaceOn] };

/** `ci-images:ec2:SealMark`: records that sealing begins. A mark without an end means: start with a fresh builder. */
export const ec2SealMark: ResourceType<Ec2StepInputs, Ec2StepInputs> = {
  token: "ci-images:ec2:SealMark",
  inputs: stepInputs,
  replaceOn,
  async create(inputs) {
    const { region, instance } = inputs;
    const mark = { [tagNames.sealing]: "started" };
    await asking(`tagging ${instance} in ${region}`, () => putTags(region, [instance], mark));
    return { id: instance, outputs: inputs };
  },
};

/** `ci-images:ec2:Stop`: stops the sealed builder through the API, so that its disk is consistent when it is imaged. */
export const ec2Stop: ResourceType<Ec2StepInputs, Ec2StepInputs> = {
  token: "ci-images:ec2:Stop",
  inputs: stepInputs,
  replaceOn,
  async create(inputs, context) {
    const { region, instance } = inputs;
    await asking(`stopping ${instance} in ${region}`, async () => {
      await stopInstance(region, instance, context);
      await putTags(region, [instance], { [tagNames.sealing]: "done" });
    });
    return { id: instance, outputs: inputs };
  },
};

/** `ci-images:ec2:Retirement`: ends a machine and all that belongs to it, in the same `pulumi up` that made it. */
export const ec2Retirement: ResourceType<Ec2StepInputs, Ec2StepInputs> = {
  token: "ci-images:ec2:Retirement",
  inputs: stepInputs,
  replaceOn,
  async create(inputs, context) {
    const { region, machine, instance } = inputs;
    await asking(`removing machine ${machine} in ${region}`, () => dropMachine(region, machine, context));
    return { id: instance, outputs: inputs };
  },
};
