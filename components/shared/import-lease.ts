// Keeps the lease of an import whose image is not verified yet.
import type * as pulumi from "@pulumi/pulumi";
import type { ResourceContract } from "../../common/contract.ts";
import type { ImageIdentity } from "../cloud.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import type { ArgsOf, OwnResource } from "./own-resource.ts";

/** The logical name of an import's lease. */
export function importLeaseName({ prefix }: Pick<ImageIdentity, "prefix">): string {
  return `${prefix}-import-lease`;
}

/**
 * Declares the lease of an unverified image as the state has it, if it does. At stages before `image` nothing else
 * declares it, and its end would remove the image.
 * @returns what the image depends on, so that it is deleted first.
 */
export function keepImportLease<C extends ResourceContract>(
  Lease: OwnResource<C>,
  { token, inputs }: C,
  { identity, state }: { identity: ImageIdentity; state: StackState },
): pulumi.Resource[] {
  const name = importLeaseName(identity);
  const recorded = state.outputsOf(token, name);
  if (recorded === undefined) return [];
  const args = Object.fromEntries(Object.keys(inputs).map((key) => [key, recorded[key]]));
  return [new Lease(name, args as ArgsOf<C>, { parent: identity.parent })];
}
