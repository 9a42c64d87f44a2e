// Stacks that share a cache of layers of their own, and nothing but base images with anybody else.
import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { places } from "../../provider/kit/cache-folders.ts";
import { emptyCache } from "../components/local/support.ts";
import { TestStack } from "./test-stack.ts";

/** A cache with layers. */
export interface LayerCache {
  /** Where the layers are. */
  layers: string;
  /** As `TestStack.create`. */
  newStack(recipe: object, settings?: Record<string, unknown>): Promise<TestStack>;
  /** Waits until layers that are being written have their names. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty one. Until it is closed, this process uses it, too. */
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
