// Opens the clouds of a stack. Only the module of the cloud in use is loaded: an SDK costs seconds and hundreds of megabytes.
import type { Bakery, Cloud } from "./cloud.ts";
import { clouds, findCloud } from "./clouds.ts";
import type { CloudFacts } from "./cloud-facts.ts";
import { Once } from "./shared/once.ts";
import type { Settings } from "./stack-settings.ts";
import type { StackState } from "./life-cycle/stack-state.ts";

/**
 * What the module of a cloud exports as `open`: one object for each place where images are baked separately.
 * @param S The stack's settings with the cloud's own.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @param state What is under management: an image that the cloud has and the state does not was orphaned when the state was lost.
 * @param once What the stack's recipes have in common: the clouds of each are objects of their own.
 * @throws UserError when the settings are not enough to know the places.
 */
export type Opening<S extends Settings = Settings> = (
  settings: S,
  projectDirectory: string,
  state: StackState,
  once: Once,
) => Promise<Cloud[]>;

/** The places of the cloud that the settings name: {@link Opening}. */
export async function openClouds(
  settings: Settings,
  projectDirectory: string,
  state: StackState,
  once = new Once(),
): Promise<Cloud[]> {
  const open = await opening(findCloud(settings.cloud));
  return await open(settings, projectDirectory, state, once);
}

/** This computer, for a stack of another cloud whose setting `bakery` is `local`; else undefined. */
export async function openBakery(
  settings: Settings,
  projectDirectory: string,
  state: StackState,
  once: Once,
): Promise<Bakery | undefined> {
  if (settings.bakery !== "local" || findCloud(settings.cloud).isHere) return undefined;
  const open = await opening(clouds.find(({ isHere }) => isHere)!);
  const [here] = await open(settings, projectDirectory, state, once);
  return here as Bakery;
}

async function opening({ module }: CloudFacts): Promise<Opening> {
  return ((await import(module)) as { open: Opening }).open;
}
