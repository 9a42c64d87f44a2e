// Finds the addresses that may connect to a bake's machines by SSH: by default only this computer, or its bastion.
import * as pulumi from "@pulumi/pulumi";
import type { ValuesOf } from "../../common/contract.ts";
import { UserError } from "../../common/user-error.ts";
import { ownAddress, type reached } from "./contract.ts";
import { invoke } from "./invoke.ts";
import type { Settings } from "../stack-settings.ts";

/** How a place's machines are reached. */
export type Reached = ValuesOf<typeof reached>;

/**
 * The addresses that SSH is open to, in CIDR form. Call it in `preflight`, when a bake is about to be declared: finding
 * our public address takes a request to a server on the internet.
 * @throws UserError if the stack names none and the address can't be found, or if the stack's don't match the machines'
 * addresses.
 */
export async function findSshFrom(
  { sshFrom, bastion }: Pick<Settings, "sshFrom" | "bastion">,
  reached: Reached,
): Promise<string[]> {
  if (sshFrom !== undefined) {
    refuseOtherFamily(sshFrom, reached);
    return sshFrom;
  }
  const { addresses, notice } = await invoke(ownAddress, {
    ...reached,
    ...(bastion && { bastion: bastion.host }),
  });
  if (notice !== undefined) void pulumi.log.info(notice);
  return addresses.map((address) => (address.includes(":") ? `${address}/128` : `${address}/32`));
}

/** The family of a network in CIDR form. */
export function familyOf(network: string): 4 | 6 {
  return network.includes(":") ? 6 : 4;
}

function refuseOtherFamily(sshFrom: readonly string[], { family }: Reached): void {
  if (sshFrom.some((network) => familyOf(network) === family)) return;
  throw new UserError({
    where: `Pulumi.${pulumi.getStack()}.yaml`,
    key: "ci-images:sshFrom",
    found: `only IPv${family === 4 ? 6 : 4} (${sshFrom.join(", ")})`,
    allowed: `at least one range of IPv${family} addresses, by which machines are reached`,
  });
}
