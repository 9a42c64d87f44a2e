// What every cloud notes about a bake: labels of what it makes, and the builder's identity.
import * as pulumi from "@pulumi/pulumi";
import type { Labels, Role } from "../../common/labels.ts";
import type { Inventory } from "../../provision/builder/life-cycle-commands.ts";
import type { ImageIdentity, Machine } from "../cloud.ts";
import type { BuilderIdentity } from "./contract.ts";

/** The labels of a machine or an image. The base is not among them. */
export function labelsOf({ distribution, recipe, worker }: ImageIdentity, role: Role): Omit<Labels, "base"> {
  const owner = { project: pulumi.getProject(), stack: pulumi.getStack(), distribution: distribution.id };
  return { ...owner, recipe, role, ...(worker !== undefined && { worker }) };
}

/** What a machine booted from the image must not have in common with the builder. */
export function identityOf(
  { connection: { hostKey }, authorizedKey }: Machine,
  inventory: pulumi.Output<Inventory>,
): pulumi.Output<BuilderIdentity> {
  return pulumi
    .all([inventory, hostKey, authorizedKey])
    .apply(([{ machineId }, key, loginKey]) => ({ machineId, hostKeys: [key], loginKey }));
}
