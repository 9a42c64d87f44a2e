// Refuses settings whose cloud is not that of the state's images. A stack without its settings file, or with a mistake
// in it, would be one of `local`; the program would declare nothing of the other cloud, and the engine would delete it.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { clouds, findCloud } from "../clouds.ts";
import type { Settings } from "../stack-settings.ts";
import type { StackState } from "./stack-state.ts";
import { isImageType } from "./worker-inputs.ts";
import { isBakedToImport } from "./worker-names.ts";

type Belonging = StackState["belongings"][number];

/**
 * Compares the stack's cloud with what the state has.
 * @throws UserError if images of another cloud would be deleted, or if everything belongs to another cloud. A builder
 *   alone that was begun in the wrong cloud is not in the way of the right one.
 */
export function refuseOtherClouds({ cloud }: Settings, { belongings }: StackState): void {
  const facts = findCloud(cloud);
  /** Where it is, in words; undefined if it can be this stack's. */
  const elsewhere = ({ type, name }: Belonging): string | undefined => {
    const owners = clouds.filter(({ types }) => types.some((beginning) => type.startsWith(beginning)));
    if (owners.some(({ isHere }) => isHere) && isBakedToImport(name)) {
      return facts.isHere ? "baked for a cloud" : undefined;
    }
    if (owners.length === 0 || owners.includes(facts)) return undefined;
    return `in ${owners.map((each) => each.name).join(" or ")}`;
  };
  const others = belongings.filter((each) => elsewhere(each) !== undefined);
  const hasOwn = belongings.some(({ type }) => facts.types.some((beginning) => type.startsWith(beginning)));
  const inTheWay = others.filter(({ type }) => !hasOwn || isImageType(type));
  if (inTheWay.length === 0) return;
  const stack = pulumi.getStack();
  const places = [...new Set(inTheWay.map(elsewhere))].join(" and ");
  throw new UserError({
    where: `Pulumi.${stack}.yaml`,
    key: "ci-images:cloud",
    found: `${cloud}, but the stack's resources are ${places}; they would be deleted`,
    cure:
      `restore the stack's settings: \`git pull\`, or \`npx pulumi config refresh -s ${stack}\`; ` +
      `for ${cloud} use another stack, or \`npx pulumi destroy -s ${stack}\` first`,
  });
}
