// What a builder's folder says of layers.
import { join } from "node:path";
import type { LayerPlace } from "./layer-store.ts";

/** layers.json of a builder's folder. */
export interface LayerState {
  place: LayerPlace;
  /** The layer that the builder started from. */
  from?: {
    /** Prefix hashes of the modules in it, in order. */
    prefixes: string[];
    /** When that layer was made, ISO 8601. */
    createdAt: string;
  };
  /** When the builder came up or was last kept as a layer, in milliseconds since 1970. */
  since: number;
  /** Why this builder's layers are not kept any more. */
  problem?: string;
}

/** Where {@link LayerState} is. */
export function layerStateFile(directory: string): string {
  return join(directory, "layers.json");
}

/** What the builder's files were when they were last in a layer; of layer-tool.mjs. */
export function indexOf(directory: string): string {
  return join(directory, "layer-index");
}

/** The prefix hashes of the modules that are in the builder's layer, one a line. */
export function presentModulesFile(directory: string): string {
  return join(directory, "present-modules");
}
