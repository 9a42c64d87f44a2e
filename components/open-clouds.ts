// Opens a stack's cloud. Loads only the selected cloud's module, because an SDK costs seconds and hundreds of
// megabytes.
import type { Bakery, Cloud } from "./cloud.ts";
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

/** The places of the selected cloud: {@link Opening}. */
export async function openClouds(
  settings: Settings,
  projectDirectory: string,
  state: StackState,
  once = new Once(),
): Promise<Cloud[]> {
  const open = await opening(findCloud(settings.cloud));
  return await open(settings, projectDirectory, state, once);
}

/** The local bakery, if another cloud's stack has `bakery: local`; else undefined. */
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
