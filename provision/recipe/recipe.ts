// What a recipe is once it was read and checked.
import { inOrder } from "../plan/digest.ts";
import type { BuildConfiguration, Distribution, ModuleFile } from "../module.ts";
import type { formats } from "./schema.ts";

/** What an image can be written as: a disk for QEMU and OpenStack, a plain disk, or the EC2-style tar. */
export type Format = (typeof formats)[number];

/** Another recipe, whose image is the base: it is baked in the same stack and place, before this one. `file` is absolute. */
export interface TierBase {
  kind: "recipe";
  file: string;
}

/** Where the root file system comes from; paths are absolute. */
export type RecipeBase = TierBase | RootBase;

/** A root file system that no recipe of the stack makes. `local` takes it as its `BaseSource`. */
export type RootBase =
  | { kind: "mirror"; distribution: string; mirror?: string; packages?: string[] }
  | { kind: "tarball"; location: string; sha256?: string }
  | { kind: "directory"; path: string }
  | { kind: "image"; path: string };

/** A module in a recipe's list. */
export interface RecipeModule {
  /** Its name, with `_` for `-`. */
  name: string;
  /** Its name as the recipe has it. */
  writtenName: string;
  file: ModuleFile;
  /** The key that holds its settings. */
  settingsKey: string;
  /** Its settings, defaults of its schema filled in; undefined when the recipe has none. */
  settings: unknown;
  /** How long each of its scripts may take, in seconds. */
  timeoutSeconds: number;
}

/** An acceptance test of the recipe's own. */
export interface RecipeTest {
  name: string;
  /** Bash, run as root. */
  run: string;
  timeoutSeconds?: number;
}

/** A recipe that was read and found to be in order. */
export interface Recipe {
  name: string;
  /** The file it was read from, as it was named. */
  file: string;
  /** The folder that its paths are relative to, absolute. */
  folder: string;
  distributions: Distribution[];
  /** The base of each distribution, by its id. */
  bases: Readonly<Record<string, RecipeBase>>;
  sizeBytes: number;
  /** Whether it says its size itself. */
  hasSize: boolean;
  formats: Format[];
  modules: RecipeModule[];
  tests: RecipeTest[];
  /** The recipe as it was read. */
  configuration: BuildConfiguration;
}

/**
 * The whole build configuration as a module gets it: the recipe, with the module's settings under its own name and its
 * settings key alike. All mappings have their keys in alphabetical order, so that their order in the YAML can mean nothing.
 */
export function configurationFor(recipe: Recipe, module: RecipeModule): BuildConfiguration {
  const { name, writtenName, settingsKey, settings } = module;
  const own = settings === undefined ? {} : { [settingsKey]: settings, [name]: settings, [writtenName]: settings };
  return inOrder({ ...recipe.configuration, ...own }) as BuildConfiguration;
}
