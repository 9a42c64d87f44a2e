// The type of a recipe that has been read and checked.
import { inOrder } from "../plan/digest.ts";
import type { BuildConfiguration, Distribution, ModuleFile } from "../module.ts";
import type { formats } from "./schema.ts";

/** The format of an image. */
export type Format = (typeof formats)[number];

/** Another recipe whose image is the base: it is baked first, in the same stack and place. `file` is absolute. */
export interface TierBase {
  kind: "recipe";
  file: string;
}

/** The source of the root file system; paths are absolute. */
export type RecipeBase = TierBase | RootBase;

/** A root file system that no recipe of the stack makes; the `BaseSource` of `local`. */
export type RootBase =
  | { kind: "mirror"; distribution: string; mirror?: string; packages?: string[] }
  | { kind: "tarball"; location: string; sha256?: string }
  | { kind: "directory"; path: string }
  | { kind: "image"; path: string };

/** A module in a recipe's list. */
export interface RecipeModule {
  /** Its name, with `_` for `-`. */
  name: string;
  /** Its name as written in the recipe. */
  writtenName: string;
  file: ModuleFile;
  /** The key that holds its settings. */
  settingsKey: string;
  /** Its settings, with its schema's defaults; undefined if the recipe has none. */
  settings: unknown;
  /** Time limit for each of its scripts, in seconds. */
  timeoutSeconds: number;
}

/** One of the recipe's own acceptance tests. */
export interface RecipeTest {
  name: string;
  /** Bash, run as root. */
  run: string;
  timeoutSeconds?: number;
}

/** A valid recipe. */
export interface Recipe {
  name: string;
  /** The file it was read from, as given. */
  file: string;
  /** The folder that its paths are relative to, absolute. */
  folder: string;
  distributions: Distribution[];
  /** The base of each distribution, by its id. */
  bases: Readonly<Record<string, RecipeBase>>;
  sizeBytes: number;
  /** Whether the recipe specifies its size. */
  hasSize: boolean;
  formats: Format[];
  modules: RecipeModule[];
  tests: RecipeTest[];
  /** The recipe as read. */
  configuration: BuildConfiguration;
}

/**
 * The whole build configuration for a module: the recipe, with the module's settings under both its own name and its
 * settings key. All mappings have their keys sorted, so that their order in the YAML has no effect.
 */
export function configurationFor(recipe: Recipe, module: RecipeModule): BuildConfiguration {
  const { name, writtenName, settingsKey, settings } = module;
  const own = settings === undefined ? {} : { [settingsKey]: settings, [name]: settings, [writtenName]: settings };
  return inOrder({ ...recipe.configuration, ...own }) as BuildConfiguration;
}
