// Opens a stack's cloud. Loads only the selected cloud's module, because an SDK costs seconds and hundreds of
// megabytes.
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { importFile } from "../common/import-file.mjs";
import { UserError } from "../common/user-error.ts";
import type { Cloud, LocalBakery } from "./cloud.ts";
import { clouds, findCloud } from "./clouds.ts";
import type { CloudFacts } from "./cloud-facts.ts";
import { Once } from "./shared/once.ts";
import type { Settings } from "./stack-settings.ts";
import type { StackState } from "./life-cycle/stack-state.ts";

/**
 * The function that a cloud's module exports as `open`: returns one object for each place where images are baked
 * separately.
 * @param S The stack's settings with the cloud's own.
 * @param projectDirectory The base of relative paths in the settings.
 * @param state The resources already in the state. An image that is only in the cloud was orphaned when the state was
 *   lost.
 * @param once Lookups that the stack's recipes share; each recipe has its own cloud objects.
 * @throws UserError if the settings don't determine the places.
 */
export type Opening<S extends Settings = Settings> = (
  settings: S,
  projectDirectory: string,
  state: StackState,
  once: Once,
) => Promise<Cloud[]>;

/** What a stack bakes with, and where its images go. */
export interface Opened {
  /** The selected cloud, one object for each place. */
  clouds: Cloud[];
  /** This computer, if the places import what it bakes (stack setting `bakery`). Otherwise each place bakes its own. */
  bakery?: LocalBakery;
}

/**
 * Opens the selected cloud, and this computer if the cloud's images are baked here.
 * @throws UserError when the settings don't determine the places, or the cloud can't import images.
 */
export async function openClouds(
  settings: Settings,
  projectDirectory: string,
  state: StackState,
  once = new Once(),
): Promise<Opened> {
  const facts = findCloud(settings.cloud);
  const places = await open(facts, settings, projectDirectory, state, once);
  if (settings.bakery !== "local" || facts.isHere) return { clouds: places };
  if (places.some((place) => !place.declareImport)) {
    const where = `Pulumi.${pulumi.getStack()}.yaml`;
    const found = `local, but images can't be imported into ${settings.cloud} yet`;
    throw new UserError({ where, key: "ci-images:bakery", found, cure: "remove it: the image is baked in the cloud" });
  }
  const [here] = await open(
    clouds.find(({ isHere }) => isHere)!,
    settings,
    projectDirectory,
    state,
    once,
  );
  return { clouds: places, bakery: here as LocalBakery };
}

async function open({ module }: CloudFacts, ...args: Parameters<Opening>): Promise<Cloud[]> {
  const { open: openCloud } = (await importFile(fileURLToPath(module))) as { open: Opening };
  return await openCloud(...args);
}
