// Steps of the life cycle that act on a machine once and leave nothing to delete: their records are dropped with the
// builder's by the `pulumi up` after the bake.
import { UserError } from "../../../../common/user-error.ts";
import { findMachine, removeMachine, stopMachine, type Machine } from "../machine/machines.ts";
import { markSealing } from "../machine/sealing.ts";
import { writeProof } from "../disk/image-store.ts";
import type { ResourceType } from "../../../../provider/resource.ts";
import { passedChecks, promotionInputs, type Proof } from "../../../../provider/kit/proof.ts";

export interface StepInputs {
  /** The machine's name. */
  machine: string;
  /** The machine's instance: another machine of the same name is another step. */
  instance: string;
}

const stepInputs = {
  type: "object" as const,
  properties: { machine: { type: "string" }, instance: { type: "string" } },
  required: ["machine", "instance"],
};

/** `ci-images:local:SealMark`: notes that sealing begins; see components/local/provider/machine/sealing.ts. */
export const sealMark: ResourceType<StepInputs, StepInputs> = {
  token: "ci-images:local:SealMark",
  inputs: stepInputs,
  replaceOn: ["machine", "instance"],
  async create(inputs) {
    await markSealing(await existing(inputs.machine), "sealing");
    return { id: inputs.instance, outputs: inputs };
  },
};

/** `ci-images:local:Stop`: powers the sealed builder off, cleanly, and keeps its disk for the image. */
export const stop: ResourceType<StepInputs, StepInputs> = {
  token: "ci-images:local:Stop",
  inputs: stepInputs,
  replaceOn: ["machine", "instance"],
  async create(inputs, { progress, signal }) {
    await stopMachine(inputs.machine, progress, signal);
    await markSealing(await existing(inputs.machine), "sealed");
    return { id: inputs.instance, outputs: inputs };
  },
};

/** `ci-images:local:Retirement`: ends the machine inside the same `pulumi up` that made it. */
export const retirement: ResourceType<StepInputs, StepInputs> = {
  token: "ci-images:local:Retirement",
  inputs: stepInputs,
  replaceOn: ["machine", "instance"],
  async create(inputs) {
    await removeMachine(inputs.machine);
    return { id: inputs.instance, outputs: inputs };
  },
};

export interface PromotionInputs extends Proof {
  /** The image's folder. */
  image: string;
  /** When that image was made: another image in the same folder is promoted anew. */
  builtAt: string;
}

/** `ci-images:local:Promotion`: makes a verified image a proven one, which outputs may name. */
export const promotion: ResourceType<PromotionInputs, PromotionInputs> = {
  token: "ci-images:local:Promotion",
  inputs: promotionInputs("image", "builtAt"),
  replaceOn: ["image", "builtAt"],
  async create(inputs) {
    const { image, how } = inputs;
    await writeProof(image, { verifiedAt: new Date().toISOString(), how, checks: passedChecks(inputs) });
    return { id: `${inputs.image}@${inputs.builtAt}`, outputs: inputs };
  },
};

async function existing(name: string): Promise<Machine> {
  const machine = await findMachine(name);
  if (machine) return machine;
  throw new UserError({
    where: `builder ${name}`,
    found: "is gone",
    cure: "run `pulumi up` again: it starts on a fresh builder",
  });
}
