// Steps of the life cycle that act once on a machine. Nothing to delete: their records are dropped with the builder's
// by the `pulumi up` after the bake.
import { UserError } from "../../../../common/user-error.ts";
import { Compute } from "../compute.ts";
import {
  changeLabels,
  diskPath,
  instancePath,
  limits,
  marks,
  removeMachine,
  stopInstance,
  type Place,
} from "../machines.ts";
import type { Disk, Instance } from "../types.ts";
import type { Context, ResourceType } from "../../../../provider/from-schema.ts";
import { instanceProperties, placeProperties, replaceOnInstance } from "./place.ts";

export interface StepInputs extends Place {
  /** The instance's id: another machine of the same name is another step. */
  instance: string;
}

/** A step that acts on a machine. */
function step(
  name: string,
  act: (compute: Compute, inputs: StepInputs, context: Context) => Promise<unknown>,
): ResourceType<StepInputs, StepInputs> {
  return {
    token: `ci-images:gce:${name}`,
    inputs: { type: "object", properties: instanceProperties, required: Object.keys(instanceProperties) },
    replaceOn: replaceOnInstance,
    async create(inputs, context) {
      await act(await Compute.open(inputs.project, context), inputs, context);
      return { id: inputs.instance, outputs: inputs };
    },
  };
}

/** `ci-images:gce:SealMark`: records on the instance that sealing begins; nobody can log in after that. */
export const gceSealMark = step("SealMark", (compute, place) =>
  changeLabels(compute, instancePath(place), { [marks.sealing]: "yes" }),
);

/**
 * `ci-images:gce:Retirement`: stops the sealed builder cleanly, then deletes the instance. Its boot disk stays and is
 * marked: Google only makes an image of a disk that no running instance uses.
 */
export const gceRetirement = step("Retirement", async (compute, inputs, context) => {
  const { machine } = inputs;
  const disk = await compute.find<Disk>(diskPath(inputs));
  const retired = disk?.labels?.[marks.retired] !== undefined;
  const instance = await compute.find<Instance>(instancePath(inputs));
  if (disk === undefined || (instance === undefined && !retired)) {
    throw new UserError({
      where: `Compute Engine, builder ${machine}`,
      found: disk === undefined ? "its boot disk is gone" : "is gone before it was stopped",
      cure: "run `pulumi up` again: it starts on a fresh builder",
    });
  }
  if (instance !== undefined) {
    if (retired && instance.status === "RUNNING") {
      throw new UserError({
        where: `Compute Engine, builder ${machine}`,
        found: "was started again after sealing, so it can't become an image",
        cure: "run `pulumi up` again: it starts on a fresh builder",
      });
    }
    if (instance.disks?.some(({ boot, autoDelete }) => boot && autoDelete)) {
      throw new UserError({
        where: `Compute Engine, builder ${machine}`,
        found: "its boot disk would be deleted with it (autoDelete)",
        cure: "remove what changes `bootDisk` from ci-images:transforms",
      });
    }
    await stopInstance(compute, inputs, context);
    await changeLabels(compute, diskPath(inputs), { [marks.retired]: "yes" });
    await compute.remove(instancePath(inputs), `instance ${machine}`, limits.removeInstance);
  }
});

/** `ci-images:gce:TrialRetirement`: deletes a trial machine with its disk. */
export const gceTrialRetirement = step("TrialRetirement", removeMachine);

export interface DiskDropInputs extends Place {
  /** The image that was made from the disk: the disk may only be deleted after that. */
  image: string;
}

/** `ci-images:gce:DiskDrop`: deletes the builder's boot disk in the same `pulumi up`, once its image exists. */
export const gceDiskDrop: ResourceType<DiskDropInputs, DiskDropInputs> = {
  token: "ci-images:gce:DiskDrop",
  inputs: {
    type: "object",
    properties: { ...placeProperties, image: { type: "string" } },
    required: ["project", "zone", "machine", "image"],
  },
  replaceOn: ["project", "zone", "machine"],
  async create(inputs, context) {
    const compute = await Compute.open(inputs.project, context);
    if (await compute.find<Disk>(diskPath(inputs))) {
      await compute.remove(diskPath(inputs), `disk ${inputs.machine}`, limits.removeDisk);
    }
    return { id: inputs.machine, outputs: inputs };
  },
};
