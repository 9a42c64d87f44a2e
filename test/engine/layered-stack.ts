// Stacks that share a private layer cache. Only base images come from the common cache.
import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { places } from "../../provider/kit/cache-folders.ts";
import { emptyCache } from "../components/local/support.ts";
import { TestStack } from "./test-stack.ts";

/** A private cache that holds layers. */
export interface LayerCache {
  /** The folder of the layers. */
  layers: string;
  /** As `TestStack.create`. */
  newStack(recipe: object, settings?: Record<string, unknown>): Promise<TestStack>;
  /** Waits until no layer is being written any more. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty cache. This process uses it too until it is closed. */
export async function openLayerCache(): Promise<LayerCache> {
  const { bases } = await places();
  const cache = await emptyCache();
  await symlink(bases, join(cache.path, "bases"));
  const { layers } = await places();
  return {
    layers,
    newStack: (recipe, settings) => TestStack.create(recipe, settings, { CI_IMAGES_LAYERS: "2G" }),
    async settled() {
      while ((await readdir(layers)).some((name) => name.startsWith(".new-"))) await delay(20);
    },
    close: cache.restore,
  };
}
