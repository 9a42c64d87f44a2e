// The files in a builder's folder that concern layers.
import { join } from "node:path";
import type { LayerPlace } from "./layer-store.ts";

/** The content of layers.json. */
export interface LayerState {
  place: LayerPlace;
  /** The layer that the builder started from. */
  from?: {
    /** Prefix hashes of the modules in it, in order. */
    prefixes: string[];
    /** When the layer was made, ISO 8601. */
    createdAt: string;
  };
  /** When the builder booted or was last kept as a layer, in milliseconds since 1970. */
  since: number;
  /** Why no more layers of this builder are kept. */
  problem?: string;
}

/** The path of {@link LayerState}. */
export function layerStateFile(directory: string): string {
  return join(directory, "layers.json");
}

/** The path of the index of the builder's files in its last layer; written by layer-tool.mjs. */
export function indexOf(directory: string): string {
  return join(directory, "layer-index");
}

/** The path of the list of prefix hashes of the modules in the builder's layer, one per line. */
export function presentModulesFile(directory: string): string {
  return join(directory, "present-modules");
}
