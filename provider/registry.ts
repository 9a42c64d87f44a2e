// The parts of the provider: its resource types and functions. A part is loaded when the engine first uses it, so that a
// stack loads only its own cloud's. Add a new cloud's here.
import { ready } from "../components/shared/contract.ts";
import { answer, type FunctionType, type ResourceType } from "./resource.ts";

/** Resource types and functions whose tokens have the same second word. */
export interface Part {
  readonly resources: readonly unknown[];
  readonly functions: readonly unknown[];
}

/** Loads each part, by the second word of its tokens: `ec2` for `ci-images:ec2:Lease`. */
export type Parts = Record<string, () => Promise<Part>>;

export const parts: Parts = {
  index: () => import("./common-part.ts"),
  local: () => import("../components/local/provider/part.ts"),
  ec2: () => import("../components/ec2/provider/part.ts"),
  gce: () => import("../components/gce/provider/part.ts"),
  rackspace: () => import("../components/openstack/provider/part.ts"),
};

/** The resource type with this token. @throws Error if there is none. */
export async function findResource(from: Parts, token: string): Promise<ResourceType<object, object>> {
  const resources = (await partOf(from, token))?.resources as readonly ResourceType<object, object>[] | undefined;
  const found = resources?.find(({ contract }) => contract.token === token);
  if (!found) throw new Error(`unknown resource type ${token}`);
  return found;
}

/** The function with this token. @throws Error if there is none. */
export async function findFunction(from: Parts, token: string): Promise<FunctionType<object, object>> {
  const functions = (await partOf(from, token))?.functions as readonly FunctionType<object, object>[] | undefined;
  const isReady = answer(ready(partName(token)), async () => ({}));
  const found = [isReady, ...(functions ?? [])].find((each) => each.token === token);
  if (!found) throw new Error(`unknown function ${token}`);
  return found;
}

function partOf(from: Parts, token: string): Promise<Part> | undefined {
  return from[partName(token)]?.();
}

function partName(token: string): string {
  return token.split(":")[1];
}
