// What is known of a cloud without its SDK: settings, the command line's verbs and the list of clouds go by it.
import type { Schema } from "../provision/recipe/schema.ts";

/** Calls a function of the cloud's plugin side, by the last part of its token. */
export type Ask = <T>(name: string, inputs: object) => Promise<T>;

/** The cloud's own settings, as the stack's file has them. */
export type OwnSettings = Readonly<Record<string, unknown>>;

/** Ids of images by distribution. */
export type ImagesByDistribution = Readonly<Record<string, string>>;

export interface CloudFacts {
  /** As in the stack setting `cloud`. The cloud's own settings are in the stack's file under this name. */
  readonly name: string;
  /** Where the stack's outputs have its images, and ci-platform its ids: `aws`. */
  readonly outputName: string;
  /** The middle of the tokens of its resources and functions: `ec2` in `ci-images:ec2:Lease`. */
  readonly plugin: string;
  /** The module that opens it (see {@link Opening} in open-clouds.ts), as a URL: only the cloud in use is loaded. */
  readonly module: string;
  /** The page of docs/ that describes its settings, without `.md`; also what it is, for the first line of a new stack's file. */
  readonly page: string;
  readonly about: string;
  /** True for the one whose machines and images are on this computer. */
  readonly isHere?: boolean;
  /** The JSON schema of its own settings; undefined where it has none. */
  readonly settings?: Schema & { properties: Record<string, Schema> };
  /** Those of its own settings that a recipe can have for itself, in a stack of several recipes. */
  readonly recipeSettings?: readonly string[];
  /** One of its own settings without which nothing that was baked here can be imported, and what it is. */
  readonly importNeeds?: { readonly key: string; readonly allowed: string };
  /** The settings that `--region` means, by their keys in the stack's file; undefined where there are no regions. */
  readonly regionSettings?: (region: string) => Record<string, unknown>;
  /** The places where a stack makes machines and images, as the function `sweep` takes them. */
  readonly placesToLookIn: (own: OwnSettings, ask: Ask) => Promise<object>;
  /** Types of official resources that record whether a machine runs, which only a refresh finds out. */
  readonly machineTypes: readonly string[];
  /** The type of our own resource that waits until a machine answers. */
  readonly waitType?: string;
  /**
   * A cloud of Jenkins' Configuration as Code that boots workers from the images of one place; undefined where Jenkins can't.
   * @param loginUserOf The account that a distribution's workers are logged in with.
   */
  readonly jenkinsCloud?: (
    place: string,
    images: ImagesByDistribution,
    loginUserOf: (distribution: string) => string,
  ) => object;
}
