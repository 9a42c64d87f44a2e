// What the life cycle (worker-image.ts) needs from a cloud: a bakery, which makes images, and a place, which keeps them.
// A new cloud is a folder beside this file with one class that implements both (Cloud), listed in clouds.ts.
import type * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../provision/plan/explain.ts";
import type { Inventory } from "../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../provision/module.ts";
import type { Plan } from "../provision/plan/plan.ts";
import type { RootBase } from "../provision/recipe/recipe.ts";
import type { BuilderIdentity } from "../provision/builder/verification.ts";
import type { Proxy } from "./shared/bastion.ts";
import type { BakeStage } from "./stages.ts";

/** The image of another recipe of the stack, in the same place, that a builder starts from. */
export interface Tier {
  /** What the outputs say of it. It is known only when the image is proven. */
  image: pulumi.Output<ImageOutput>;
  /** What there has to be before it is proven: nothing of the bake may begin earlier. */
  proven: pulumi.Resource[];
}

/** A base image with a pinned identity. */
export interface Base {
  /** Determines the content: an AMI id, a digest. Part of the recipe hash. */
  id: string;
  /** For people: `debian 12.12`. */
  description: string;
  /** A notice for the user about how it was found, e.g. that the mirror did not answer. */
  notice?: string;
  /** What it is made of, where it is the image of another recipe of the stack. */
  plan?: PlanDescription;
}

/** An existing image of this stack and distribution in the cloud. */
export interface Generation {
  /** The recipe hash. */
  recipe: string;
  /** True once it was verified: only then may it be a stack output. */
  proven: boolean;
  /** What its recipe hash was made from, if the cloud or the stack has a record of it. */
  plan?: PlanDescription;
  /** The base image it was made from. */
  base?: Base;
  /** ISO 8601. */
  builtAt: string;
  /** The recipe's name. */
  name: string;
  /** Its location: the image's id, or its folder. */
  location: string;
  /** The builder's identity, if the cloud has a record of it: needed to verify an image that is not proven yet. */
  builder?: BuilderIdentity;
  /** Its copies in other places: ids by place. */
  copies?: Readonly<Record<string, string>>;
}

/** What the cloud has of a stack and distribution before anything is declared. */
export interface Survey {
  /** Newest first. */
  generations: Generation[];
  /** Recipe hashes of existing builders: a bake that continues with one failed before, or ended at an earlier stage. */
  builders: string[];
  /**
   * Recipe hashes of builders that were sealed and stopped and wait for their image: they must not be started again.
   */
  sealed?: string[];
  /** Notices, one line each: images that block a new one, and what will happen to them. */
  notices?: string[];
}

/** What identifies an image, whether it is to be baked or already exists. */
export interface ImageIdentity {
  /** The recipe's name, as recorded in the image: an existing image keeps its old one. */
  name: string;
  distribution: Distribution;
  /** The recipe hash. */
  recipe: string;
  /**
   * The worker image's name, where the stack has several of the distribution: a label that tells their machines apart.
   * Undefined for the one that is named after its distribution alone.
   */
  worker?: string;
  /** Prefix of the logical names of everything declared: place (if there are several), distribution and recipe. */
  prefix: string;
  /** The component that is the parent of everything declared. */
  parent: pulumi.Resource;
}

/** An image to be baked. */
export interface Bake extends ImageIdentity {
  plan: Plan;
  base: Base;
  /** The image of another recipe that is the base. Its id takes the place of the base's. */
  tier?: Tier;
  /** What the recipe hash is made from, to explain later changes. */
  description: PlanDescription;
  /** True if the builder is from an earlier `pulumi up`, which failed or ended at an earlier stage. */
  interrupted: boolean;
  /**
   * True if that builder was sealed and stopped and is to become an image. The official resource must no longer control
   * whether it runs: after a `pulumi refresh` has seen it stopped, it would start it.
   */
  sealed: boolean;
  /** The last stage of the bake. Before `image`, commands and people log in to the builder after `pulumi up`, too. */
  stage: BakeStage;
}

/** Where remote Commands connect to, in the form that `remote.Command` of @pulumi/command takes. */
export interface Connection {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
  user: pulumi.Input<string>;
  privateKey: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  /** The bastion that it goes through. */
  proxy?: Proxy;
}

/** A declared machine: a builder, or a trial machine booted from the image. */
export interface Machine {
  connection: Connection;
  /** The account that people log in to at the same address; by default, the connection's. */
  loginUser?: string;
  /** Differs for every machine: commands with it in their triggers run again on a new machine. */
  instance: pulumi.Output<string>;
  /** The public half of the key that logs in, one authorized_keys line. */
  authorizedKey: pulumi.Output<string>;
  /** The cloud tool that makes one connection to it, if it is reached by a tunnel: a program and its arguments. */
  tunnel?: pulumi.Output<string[]>;
  /** What commands must wait for. */
  ready: pulumi.Resource;
  /** True if cloud-init sets up the machine while it boots: the first module waits for it to finish. */
  settles?: boolean;
  /** A file on the builder with the prefix hashes of modules that came with a layer: their commands end at once. */
  presentModules?: string;
  /** Declares what keeps the builder as it is after a module, by the module's place in the plan, for bakes to come. */
  keepLayer?: (index: number, after: pulumi.Resource) => pulumi.Resource;
}

/** An image's stack output. */
export interface ImageOutput {
  /** The recipe hash. */
  recipe: string;
  /** ISO 8601. */
  builtAt: string;
  /** The cloud's id that workers boot from: an AMI's id, a GCE image's self link, a Glance image's id. */
  id?: string;
  /** Its name in the cloud. */
  name?: string;
  /** The image's folder (`local`). */
  path?: string;
  /** The disk in that folder. */
  disk?: string;
  /** The disk file's sha256, hexadecimal. */
  sha256?: string;
  /** The disk file's size in bytes. */
  bytes?: number;
}

/** A declared image. */
export interface DeclaredImage {
  resource: pulumi.CustomResource;
  output: pulumi.Output<ImageOutput>;
  /** The builder that it was made from: a machine booted from the image must differ from it. */
  builder: pulumi.Output<BuilderIdentity>;
}

/** A trial machine, and how it ends. */
export interface Trial extends Machine {
  /** How it was booted, for the proof: `qemu tcg, uefi`, `t3.small`. */
  how: pulumi.Input<string>;
  /** Declares the machine's end after `last`. */
  retire(last: pulumi.Resource): pulumi.Resource;
}

/** How an image was verified. */
export interface Proof {
  /** The trial machine: as of {@link Trial}. */
  how: pulumi.Input<string>;
  /** The verification's output, one line a check. */
  report: pulumi.Input<string>;
}

/** The image's stack output for each place that has it. `local` has one place, named like the cloud. */
export type Distributed = Record<string, pulumi.Output<ImageOutput>>;

/** A finished image on this computer, to be imported into a cloud. */
export interface LocalImage {
  /** Its folder. */
  path: pulumi.Input<string>;
}

/**
 * Makes images: base image → builder → sealed machine → image. Methods that begin with `declare` register resources;
 * the others look things up and change nothing.
 */
export interface Bakery {
  /** True if the stopped builder's disk can be read, so that the sealing is checked there. */
  readonly readsStopped?: boolean;
  /**
   * Size of the image's disk in bytes, if the stack's settings decide it rather than the recipe. Part of the recipe
   * hash.
   */
  readonly sizeBytes?: number;
  /** The login account of its base images, if it differs from the distribution's own. */
  loginUser?(distribution: Distribution): string | undefined;
  /**
   * Pins the base image.
   * @param base The recipe's base. Clouds with their own base images look those up instead.
   * @param pinned The base to keep (stack setting `base: pinned`): that of the newest proven image.
   * @throws UserError when there is none.
   */
  resolveBase(base: RootBase, distribution: Distribution, pinned?: Base): Promise<Base>;
  /**
   * Called instead of `resolveBase` where the base is the image of another recipe, in the same place.
   * @param below The bakery that makes that image.
   * @throws UserError when no builder can start from it.
   */
  buildOn?(distribution: Distribution, below: Bakery): void;
  /** How many of the plan's first modules a new builder would get from a layer. Undefined where there are no layers. */
  countFromLayer?(plan: Plan, base: Base): Promise<number>;
  /** Declares lease, keys and machine. */
  declareBuilder(bake: Bake): Machine;
  /** Declares that nobody can log in after this point; the sealing command depends on it. */
  declareSealing(bake: Bake, builder: Machine, after: pulumi.Resource): pulumi.Resource;
  /** Stops the sealed builder, makes the image and ends the builder, in the order that the cloud needs. */
  declareImage(
    bake: Bake,
    builder: Machine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): DeclaredImage;
}

/**
 * Where images are: all of `local`, a region of ec2 or an OpenStack, a project of gce. Its images come from its own
 * bakery, or are imported. Methods that begin with `declare` register resources; the others look things up and change
 * nothing.
 */
export interface Place {
  /** The cloud's name, as in the stack setting `cloud`. */
  readonly name: string;
  /** Where the stack's outputs have the cloud's images: `aws`. */
  readonly outputName: string;
  /** The region or project, as in the outputs; undefined if the cloud is a single place (`local`). */
  readonly place?: string;
  /**
   * What the place has of the stack and distribution: images of all recipes, and the builders of one worker image.
   * @param worker As of {@link ImageIdentity}.
   */
  survey(distribution: Distribution, worker?: string): Promise<Survey>;
  /**
   * Called before machines are declared here, builders or trial machines: refuses what can't succeed, by throwing a
   * UserError.
   * @param recipe The recipe's hash.
   * @param stage The last stage of the bake.
   */
  preflight(plan: Plan, recipe: string, stage: BakeStage): Promise<void>;
  /** Declares the upload of an image of this computer, and its removal if that fails. Undefined if it can't import. */
  declareImport?(bake: Bake, source: LocalImage): DeclaredImage;
  /** Declares an existing image, with nothing to make it from. */
  declareGeneration(identity: ImageIdentity, generation: Generation): DeclaredImage;
  /** Declares a trial machine booted from the image. */
  declareTrial(bake: Bake, image: DeclaredImage): Trial;
  /** Marks the image as proven; stack outputs wait for it. */
  declarePromotion(bake: Bake, image: DeclaredImage, proof: Proof, after: pulumi.Resource[]): pulumi.CustomResource;
  /**
   * Declares what makes a proven image available: copies to other places, sharing, families. Called in every `up` for
   * every proven image of the stack, old or new; so its declarations must not change when nothing else did.
   * @param after What must happen before: the promotion, for a new image; otherwise nothing.
   * @returns an output for each place that has the image, including its own.
   */
  declareDistribution(identity: ImageIdentity, image: DeclaredImage, after: pulumi.Resource[]): Distributed;
}

/** A place with its own bakery. */
export interface Cloud extends Bakery, Place {}

/** This computer: other places can import its images (stack setting `bakery: local`). */
export interface LocalBakery extends Cloud {
  /**
   * A proven image of the recipe, from any stack. During `pulumi up`, waits while another stack bakes that recipe.
   * @returns undefined if there is none: the caller must bake it, and other stacks wait for that.
   */
  findBaked(distribution: Distribution, recipe: string): Promise<Generation | undefined>;
  /**
   * A finished image by its location on this computer, from any project.
   * @throws UserError when it doesn't exist or was not verified.
   */
  describe(
    location: string,
  ): Promise<Generation & { distribution: string; sizeBytes: number; base: Base; plan: PlanDescription }>;
}
