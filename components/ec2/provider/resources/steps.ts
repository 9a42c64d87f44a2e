// Steps of the life cycle on an EC2 machine.
import { Retirement, SealMark, Stop } from "../../contract.ts";
import { asking } from "../client.ts";
import { dropMachine, stopInstance } from "../machines.ts";
import { tagNames } from "../../facts/tags.ts";
import { putTags } from "../tagged-resources.ts";
import { step } from "../../../../provider/kit/steps.ts";

const instanceOf = ({ instance }: { instance: string }) => instance;

/** A `started` mark without `done` means that the bake must start with a fresh builder. */
export const ec2SealMark = step(SealMark, instanceOf, ({ region, instance }) =>
  asking(`tagging ${instance} in ${region}`, () => putTags(region, [instance], { [tagNames.sealing]: "started" })),
);

export const ec2Stop = step(Stop, instanceOf, ({ region, instance }, context) =>
  asking(`stopping ${instance} in ${region}`, async () => {
    await stopInstance(region, instance, context);
    await putTags(region, [instance], { [tagNames.sealing]: "done" });
  }),
);

export const ec2Retirement = step(Retirement, instanceOf, ({ region, machine }, context) =>
  asking(`removing machine ${machine} in ${region}`, () => dropMachine(region, machine, context)),
);
