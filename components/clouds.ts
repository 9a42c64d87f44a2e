// The clouds there are. Only the module of the cloud in use is loaded: an SDK costs seconds and hundreds of megabytes.
import { UserError } from "../common/user-error.ts";
import type { Bakery, Cloud } from "./cloud.ts";
import type { Settings } from "./stack-settings.ts";
import type { StackState } from "./life-cycle/stack-state.ts";

type Opening = (settings: Settings, projectDirectory: string, state: StackState) => Promise<Cloud[]>;

const clouds: Record<string, Opening | undefined> = {
  local: async (settings, directory) => [new (await import("./local/cloud.ts")).LocalCloud(settings, directory)],
  gce: async (settings, _directory, state) => [await (await import("./gce/open-cloud.ts")).openGce(settings, state)],
  ec2: async (settings, _directory, state) => (await import("./ec2/open-cloud.ts")).openEc2(settings, state),
  rackspace: async (settings) => (await import("./openstack/open-cloud.ts")).openRackspace(settings),
};

/**
 * The cloud that the settings name: one object for each place where images are baked separately. That is one for `local`,
 * one for ec2 (the region it bakes in), one for gce (the project), one for each region on rackspace.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @param state What is under management: an image that the cloud has and the state does not was orphaned when the state was lost.
 * @throws UserError when the settings are not enough to know the places.
 */
export async function openClouds(settings: Settings, projectDirectory: string, state: StackState): Promise<Cloud[]> {
  const open = clouds[settings.cloud];
  if (open) return open(settings, projectDirectory, state);
  const there = Object.keys(clouds).join(", ");
  throw new UserError({ where: "stack setting ci-images:cloud", found: settings.cloud, allowed: there });
}

/** This computer, for a stack of another cloud whose setting `bakery` is `local`; else undefined. */
export async function openBakery(settings: Settings, projectDirectory: string): Promise<Bakery | undefined> {
  if (settings.bakery !== "local" || settings.cloud === "local") return undefined;
  return new (await import("./local/cloud.ts")).LocalCloud(settings, projectDirectory);
}
