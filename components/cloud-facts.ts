// The facts about a cloud that need no SDK, for settings, the command line's verbs and the list of clouds.
import type { Call } from "../common/contract.ts";
import type { Schema } from "../provision/recipe/schema.ts";

/** The cloud's own settings from the stack's file. */
export type OwnSettings = Readonly<Record<string, unknown>>;

/** Ids of images by distribution. */
export type ImagesByDistribution = Readonly<Record<string, string>>;

/** What `sweep` looks for. */
export interface Sweep {
  /** Pulumi's project. */
  project: string;
  stack: string;
  /** The image directory on this computer. */
  home: string;
  /** The longest duration of a bake, in seconds. */
  lifetime: number;
  /** ISO 8601: what counts as the present; what expires before it is a leftover. */
  now?: string;
  /** False only looks. */
  remove: boolean;
}

/** What bakes left behind. */
export interface Leftover {
  kind: string;
  /** Its id or name in the cloud. */
  id?: string;
  name?: string;
  /** What it is, for people. */
  description?: string;
  /** When it expired, ISO 8601. */
  expired?: string;
  /** Why it is a leftover, if not by its expiry. */
  reason?: string;
  /** Its region, on clouds with regions. */
  region?: string;
  /** Its project, on clouds with projects. */
  place?: string;
  /** Why it could not be removed. */
  problem?: string;
}

export interface CloudFacts {
  /** The value of the stack setting `cloud`. The cloud's own settings are in the stack's file under this name. */
  readonly name: string;
  /** The key of its images in the stack's outputs and of its ids in ci-platform: `aws`. */
  readonly outputName: string;
  /** URL of the module that opens it (see {@link Opening} in open-clouds.ts): only the selected cloud is loaded. */
  readonly module: string;
  /** The beginnings of the types of what is declared for an image in this cloud: `aws:`. */
  readonly types: readonly string[];
  /** The page of docs/ with its settings, without `.md`. */
  readonly page: string;
  /** Its description, for the first line of a new stack's file. */
  readonly about: string;
  /** True for the cloud whose machines and images are on this computer. */
  readonly isHere?: boolean;
  /** The JSON schema of its own settings, if it has any. */
  readonly settings?: Schema & { properties: Record<string, Schema> };
  /** Its own settings that can be set per recipe, in a stack of several recipes. */
  readonly recipeSettings?: readonly string[];
  /** The setting that importing local images requires, and its allowed values. */
  readonly importNeeds?: { readonly key: string; readonly allowed: string };
  /** The settings for `--region`, by their keys in the stack's file; undefined if there are no regions. */
  readonly regionSettings?: (region: string) => Record<string, unknown>;
  /** The places of the images with that region, copies included; undefined if images don't belong to a region. */
  readonly placesWith?: (region: string, own: OwnSettings) => readonly string[];
  /** Lists a stack's expired leftovers in the places where it makes machines and images; removes them when told to. */
  readonly sweep: (own: OwnSettings, asked: Sweep, call: Call) => Promise<Leftover[]>;
  /** Types of official resources that record whether a machine runs, which only a refresh updates. */
  readonly machineTypes: readonly string[];
  /** The type of our own resource that waits until a machine answers. */
  readonly waitType?: string;
  /**
   * A cloud for Jenkins' Configuration as Code that boots workers from one place's images; undefined if Jenkins can't.
   * @param loginUserOf The login account of a distribution's workers.
   */
  readonly jenkinsCloud?: (
    place: string,
    images: ImagesByDistribution,
    loginUserOf: (distribution: string) => string,
  ) => object;
}
