// The facts about a cloud that need no SDK, for settings, the command line's verbs and the list of clouds.
import type { Schema } from "../provision/recipe/schema.ts";

/** Calls a function of the cloud's plugin side, by the last part of its token. */
export type Ask = <T>(name: string, inputs: object) => Promise<T>;

/** The cloud's own settings from the stack's file. */
export type OwnSettings = Readonly<Record<string, unknown>>;

/** Ids of images by distribution. */
export type ImagesByDistribution = Readonly<Record<string, string>>;

export interface CloudFacts {
  /** The value of the stack setting `cloud`. The cloud's own settings are in the stack's file under this name. */
  readonly name: string;
  /** The key of its images in the stack's outputs and of its ids in ci-platform: `aws`. */
  readonly outputName: string;
  /** The middle part of its resources' and functions' tokens: `ec2` in `ci-images:ec2:Lease`. */
  readonly plugin: string;
  /** URL of the module that opens it (see {@link Opening} in open-clouds.ts): only the selected cloud is loaded. */
  readonly module: string;
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
  /** The places where a stack makes machines and images, as arguments of the function `sweep`. */
  readonly placesToLookIn: (own: OwnSettings, ask: Ask) => Promise<object>;
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
