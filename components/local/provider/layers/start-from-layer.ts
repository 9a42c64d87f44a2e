// Restores the longest matching layer into a fresh builder.
import { execa } from "execa";
import { fileURLToPath } from "node:url";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import type { Overlay } from "../overlay.ts";
import { enterDisk } from "../overlay.ts";
import type { Progress } from "../types.ts";
import {
  findLayer,
  layerFolder,
  layerLimit,
  removeLayer,
  touchLayer,
  type LayerDescription,
  type LayerPlace,
} from "./layer-store.ts";

/** The layer that a builder starts from. */
export interface StartingLayer {
  description: LayerDescription;
  /** How many of the builder's modules are in it. */
  count: number;
}

/**
 * Copies the longest matching layer into a builder's empty root, and compares every copied file with the layer's list.
 * A damaged layer is removed, and the next shorter one is tried. If the disk is full, none is used.
 * @param prefixes The modules' prefix hashes in order.
 * @param makeRoot Makes the builder's root, without changes to the base; called for every attempt.
 * @returns no `layer` if there is none: the root is then the base's.
 */
export async function startFromLayer(
  place: LayerPlace,
  prefixes: readonly string[],
  index: string,
  makeRoot: () => Promise<Overlay>,
  progress: Progress,
  signal?: AbortSignal,
): Promise<{ overlay: Overlay; layer?: StartingLayer }> {
  for (let count = layerLimit() === 0 ? 0 : prefixes.length; count > 0; count--) {
    const layer = await layerFolder(place, prefixes[count - 1]);
    const description = await findLayer(layer, place.base);
    if (!description) continue;
    const overlay = await makeRoot();
    const { upper, disk } = overlay;
    const [command, ...words] = [
      ...(disk ? enterDisk(disk) : []),
      process.execPath,
      program,
      "restore",
      JSON.stringify({ layer, upper, index }),
    ];
    const { failed, stderr, shortMessage } = await execa(command, words, { reject: false, cancelSignal: signal });
    signal?.throwIfAborted();
    if (!failed) {
      await touchLayer(layer);
      return { overlay, layer: { description, count } };
    }
    const reason = `${stderr.trim() || shortMessage}`;
    const name = `the layer up to module ${description.modules.at(-1)}`;
    if (/no space left on device|disk quota exceeded/i.test(reason)) {
      progress(`${name} is not used: ${reason}`);
      break;
    }
    const problem = await problemOf(removeLayer(layer));
    progress(
      problem === undefined
        ? `${name} can't be used and was removed: ${reason}`
        : `${name} can't be used: ${reason}; it could not be removed: ${problem}`,
    );
  }
  return { overlay: await makeRoot() };
}

const program = fileURLToPath(new URL("./layer-tool.mjs", import.meta.url));
