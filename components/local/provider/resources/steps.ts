// Steps of the life cycle on this computer.
import { UserError } from "../../../../common/user-error.ts";
import { Promotion, Retirement, SealMark, Stop } from "../../contract.ts";
import { findMachine, removeMachine, stopMachine, type Machine } from "../machine/machines.ts";
import { markSealing } from "../machine/sealing.ts";
import { writeProof } from "../disk/image-store.ts";
import { passedChecks } from "../../../../provider/kit/proof.ts";
import { step } from "../../../../provider/kit/steps.ts";

const instanceOf = ({ instance }: { instance: string }) => instance;

export const sealMark = step(SealMark, instanceOf, async ({ machine }) =>
  markSealing(await existing(machine), "sealing"),
);

export const stop = step(Stop, instanceOf, async ({ machine }, { progress, signal }) => {
  await stopMachine(machine, progress, signal);
  await markSealing(await existing(machine), "sealed");
});

export const retirement = step(Retirement, instanceOf, ({ machine }) => removeMachine(machine));

export const promotion = step(
  Promotion,
  ({ image, builtAt }) => `${image}@${builtAt}`,
  ({ image, how, report }) =>
    writeProof(image, { verifiedAt: new Date().toISOString(), how, checks: passedChecks(report) }),
);

async function existing(name: string): Promise<Machine> {
  const machine = await findMachine(name);
  if (machine) return machine;
  throw new UserError({
    where: `builder ${name}`,
    found: "is gone",
    cure: "run `pulumi up` again: it starts with a fresh builder",
  });
}
