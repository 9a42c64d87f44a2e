// What the life cycle (worker-image.ts) asks of a cloud. A new cloud is a folder beside this file with one class that
// implements Cloud, named in clouds.ts.
import type * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../provision/plan/explain.ts";
import type { Inventory } from "../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../provision/module.ts";
import type { Plan } from "../provision/plan/plan.ts";
import type { RecipeBase } from "../provision/recipe/recipe.ts";
import type { BuilderIdentity } from "../provision/builder/verification.ts";
import type { Proxy } from "./shared/bastion.ts";
import type { BakeStage } from "./stages.ts";

/** A base image with its identity pinned down. */
export interface Base {
  /** Decides the content: an AMI id, a digest. Part of the recipe hash. */
  id: string;
  /** For people: `debian 12.12`. */
  description: string;
  /** Something the user should know about how it was found, e.g. that the mirror did not answer. */
  notice?: string;
}

/** An image of this stack and distribution that the cloud has. */
export interface Generation {
  /** The recipe hash. */
  recipe: string;
  /** True when it was verified: only then it may be a stack output. */
  proven: boolean;
  /** What its recipe hash was made of, when the cloud or the stack remembers it. */
  plan?: PlanDescription;
  /** The base image it was made from. */
  base?: Base;
  /** ISO 8601. */
  builtAt: string;
  /** The recipe's name. */
  name: string;
  /** Where it is: the image's id, or its folder. */
  location: string;
  /** What the builder was, where the cloud remembers it: needed to verify an image that was not proven yet. */
  builder?: BuilderIdentity;
  /** Copies of it that the cloud has in other places: their ids by place. */
  copies?: Readonly<Record<string, string>>;
}

/** What the cloud has of a stack and distribution before anything is declared. */
export interface Survey {
  /** The newest first. */
  generations: Generation[];
  /** Recipe hashes of builders that are there now: a bake that goes on with one of them failed or ended at an earlier stage. */
  builders: string[];
  /** Those of builders that were sealed and stopped, and wait for their image: nothing may start them again. */
  sealed?: string[];
  /** What else the user should know of images that are in the way and what becomes of them, one line each. */
  notices?: string[];
}

/** What an image is named and found by, whether it is to be baked or is there already. */
export interface ImageIdentity {
  /** The recipe's name, as the image has it: an image that is there keeps its old one. */
  name: string;
  distribution: Distribution;
  /** The recipe hash. */
  recipe: string;
  /** Begins the logical names of everything that is declared: place (where there are several), distribution and recipe. */
  prefix: string;
  /** The component: parent of everything that is declared. */
  parent: pulumi.Resource;
}

/** One image that is to be baked. */
export interface Bake extends ImageIdentity {
  plan: Plan;
  base: Base;
  /** What the recipe hash is made of, to explain a later change by. */
  description: PlanDescription;
  /** True when the builder is that of an earlier `pulumi up`, which failed or ended at an earlier stage. */
  interrupted: boolean;
  /**
   * True when that builder was sealed and stopped, and is to become an image: whether it runs is no longer for the official
   * resource to decide, which would start it after a `pulumi refresh` has seen it stopped.
   */
  sealed: boolean;
  /** How far the bake goes. Before `image`, commands and people log in to the builder after `pulumi up`, too. */
  stage: BakeStage;
}

/** Where remote Commands connect to; what `remote.Command` of @pulumi/command takes. */
export interface Connection {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
  user: pulumi.Input<string>;
  privateKey: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  /** The bastion that it goes through. */
  proxy?: Proxy;
}

/** A machine that was declared: a builder, or a throw-away machine booted from the image. */
export interface Machine {
  connection: Connection;
  /** The account that people log in to at the same address; the connection's unless given. */
  loginUser?: string;
  /** Another value for every machine that is made: commands that carry it in their triggers run again on a fresh one. */
  instance: pulumi.Output<string>;
  /** The public half of the key that logs in, one authorized_keys line. */
  authorizedKey: pulumi.Output<string>;
  /** The cloud's tool that makes one connection to it, where it is reached by a tunnel: a program and its arguments. */
  tunnel?: pulumi.Output<string[]>;
  /** What must be there before commands run. */
  ready: pulumi.Resource;
  /** True where cloud-init sets the machine up while it boots: the first module waits until that has ended. */
  settles?: boolean;
}

/** What the stack's outputs say of an image. */
export interface ImageOutput {
  /** The recipe hash. */
  recipe: string;
  /** ISO 8601. */
  builtAt: string;
  /** What the cloud calls it, and what workers are booted from: an AMI's id, a GCE image's self link, a Glance image's id. */
  id?: string;
  /** Its name in the cloud. */
  name?: string;
  /** The image's folder (`local`). */
  path?: string;
  /** The disk in it. */
  disk?: string;
  /** The disk file's sha256, hexadecimal. */
  sha256?: string;
  /** The disk file's size in bytes. */
  bytes?: number;
}

/** An image that was declared. */
export interface DeclaredImage {
  resource: pulumi.CustomResource;
  output: pulumi.Output<ImageOutput>;
  /** The builder that it was made with: a machine booted from the image must differ from it. */
  builder: pulumi.Output<BuilderIdentity>;
}

/** A throw-away machine, and how it ends. */
export interface Trial extends Machine {
  /** How it is booted, for the proof: `qemu tcg, uefi`, `t3.small`. */
  how: pulumi.Input<string>;
  /** Declares the end of the machine after `last`. */
  retire(last: pulumi.Resource): pulumi.Resource;
}

/** The places that have an image, and what the outputs say of it there. `local` has one place, named as the cloud. */
export type Distributed = Record<string, pulumi.Output<ImageOutput>>;

/** A finished image of this computer, to be imported into a cloud. */
export interface LocalImage {
  /** Its folder. */
  path: pulumi.Input<string>;
}

/** A cloud that others can import images from (stack setting `bakery`). */
export interface Bakery extends Cloud {
  /**
   * A proven image of the recipe, whichever stack made it. In `pulumi up`, waits as long as another stack bakes that recipe.
   * @returns undefined when there is none: the caller is to bake it, and other stacks wait for that.
   */
  findBaked(distribution: Distribution, recipe: string): Promise<Generation | undefined>;
  /**
   * A finished image by its place on this computer, whichever project baked it.
   * @throws UserError when there is none, or it was not verified.
   */
  describe(
    location: string,
  ): Promise<Generation & { distribution: string; sizeBytes: number; base: Base; plan: PlanDescription }>;
}

/**
 * One place of a cloud where images are baked: all of `local`, a region of ec2 or an OpenStack, a project of gce. Methods that
 * begin with `declare` register resources; the others look things up and change nothing.
 */
export interface Cloud {
  /** As in the stack setting `cloud`. */
  readonly name: string;
  /** Where the stack's outputs have its images: `aws`. */
  readonly outputName: string;
  /** True where the disk of the stopped builder can be read, so that the sealing is asserted there. */
  readonly readsStopped?: boolean;
  /** The region or project, as in the outputs; undefined where there are no places (`local`). */
  readonly place?: string;
  /** Size of the image's disk in bytes, where the stack's settings decide it and not the recipe. Counts in the recipe hash. */
  readonly sizeBytes?: number;
  /** The account that this cloud's base images have, where it is not the distribution's own. */
  loginUser?(distribution: Distribution): string | undefined;
  /**
   * Pins the base image down.
   * @param base What the recipe says of it. Clouds that have base images of their own look those up instead.
   * @param pinned The base to stay with (stack setting `base: pinned`): that of the newest proven image.
   * @throws UserError when there is none.
   */
  resolveBase(base: RecipeBase, distribution: Distribution, pinned?: Base): Promise<Base>;
  survey(distribution: Distribution): Promise<Survey>;
  /**
   * Called before a bake is declared: refuses to start one that can't end well. Throws a UserError.
   * @param recipe The recipe's hash.
   * @param stage How far the bake goes.
   */
  preflight(plan: Plan, recipe: string, stage: BakeStage): Promise<void>;

  /** Lease, keys and machine. */
  declareBuilder(bake: Bake): Machine;
  /** Declares that nobody can log in any more from here on; the sealing command depends on it. */
  declareSealing(bake: Bake, builder: Machine, after: pulumi.Resource): pulumi.Resource;
  /** Stops the sealed builder, makes the image and ends the builder, in the order that the cloud needs. */
  declareImage(
    bake: Bake,
    builder: Machine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): DeclaredImage;
  /**
   * Declares the upload of an image that was baked elsewhere, and what removes it when it comes to nothing. Undefined on clouds that
   * can't import.
   */
  declareImport?(bake: Bake, source: LocalImage): DeclaredImage;
  /** Declares an image that is there already, and nothing to make it with. */
  declareGeneration(identity: ImageIdentity, generation: Generation): DeclaredImage;
  /** A throw-away machine booted from the image. */
  declareTrial(bake: Bake, image: DeclaredImage): Trial;
  /** Marks the image as proven; stack outputs wait for it. */
  declarePromotion(
    bake: Bake,
    image: DeclaredImage,
    proof: { how: pulumi.Input<string>; report: pulumi.Input<string> },
    after: pulumi.Resource[],
  ): pulumi.CustomResource;
  /**
   * Declares what makes a proven image available: copies to other places, sharing, families. Called for every proven image
   * that the stack has, old or new, in every `up`; so what it declares must stay as it is when nothing changed.
   * @param after What must be done before: the promotion, for an image that was just made; else nothing.
   * @returns an output for each place that has the image, its own among them.
   */
  declareDistribution(identity: ImageIdentity, image: DeclaredImage, after: pulumi.Resource[]): Distributed;
}
