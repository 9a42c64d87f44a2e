// Steps of the life cycle that act once on a machine. Nothing to delete: their records are dropped with the builder's
// by the `pulumi up` after the bake.
import { UserError } from "../../../../common/user-error.ts";
import { Compute } from "../compute.ts";
import { changeLabels, diskPath, instancePath, limits, marks, removeMachine, stopInstance } from "../machines.ts";
import type { Disk, Instance } from "../types.ts";
import { DiskDrop, Retirement, SealMark, Stop } from "../../contract.ts";
import { step } from "../../../../provider/kit/steps.ts";

const instanceOf = ({ instance }: { instance: string }) => instance;

export const gceSealMark = step(SealMark, instanceOf, async (place, context) =>
  changeLabels(await Compute.open(place.project, context), instancePath(place), { [marks.sealing]: "yes" }),
);

/** Marks the boot disk as left by a clean stop. */
export const gceStop = step(Stop, instanceOf, async (inputs, context) => {
  const compute = await Compute.open(inputs.project, context);
  const { machine } = inputs;
  const disk = await compute.find<Disk>(diskPath(inputs));
  const retired = disk?.labels?.[marks.retired] !== undefined;
  const instance = await compute.find<Instance>(instancePath(inputs));
  if (disk === undefined || (instance === undefined && !retired)) {
    throw new UserError({
      where: `Compute Engine, builder ${machine}`,
      found: disk === undefined ? "its boot disk is gone" : "vanished before it was stopped",
      cure: "run `pulumi up` again: it starts with a fresh builder",
    });
  }
  if (instance !== undefined) {
    if (retired && instance.status === "RUNNING") {
      throw new UserError({
        where: `Compute Engine, builder ${machine}`,
        found: "was started again after sealing, so it can't become an image",
        cure: "run `pulumi up` again: it starts with a fresh builder",
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

export const gceRetirement = step(Retirement, instanceOf, async (place, context) =>
  removeMachine(await Compute.open(place.project, context), place, context),
);

export const gceDiskDrop = step(
  DiskDrop,
  ({ machine }) => machine,
  async (place, context) => {
    const compute = await Compute.open(place.project, context);
    if (await compute.find<Disk>(diskPath(place))) {
      await compute.remove(diskPath(place), `disk ${place.machine}`, limits.removeDisk);
    }
  },
);
