// The clouds there are. Only the module of the cloud in use is loaded: an SDK costs seconds and hundreds of megabytes.
import { UserError } from "../common/user-error.ts";
import type { Cloud } from "./cloud.ts";
import type { Settings } from "./settings.ts";

type Opening = (settings: Settings, projectDirectory: string) => Promise<Cloud[]>;

const clouds: Record<string, Opening | undefined> = {
  local: async (...args) => [new (await import("./local/cloud.ts")).LocalCloud(...args)],
};

/**
 * The cloud that the settings name: one object for each place where images are baked separately. That is one for `local`,
 * one for ec2 (the region it bakes in), one for gce (the project), one for each region on rackspace.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @throws UserError when the settings are not enough to know the places.
 */
export async function openClouds(settings: Settings, projectDirectory: string): Promise<Cloud[]> {
  const open = clouds[settings.cloud];
  if (open) return open(settings, projectDirectory);
  const there = Object.keys(clouds).join(", ");
  throw new UserError({ where: "stack setting ci-images:cloud", found: settings.cloud, allowed: there });
}
