// The interfaces between the life cycle (worker-image.ts) and a cloud: a bakery, which makes images, and a place, which
// keeps them. To add a cloud, make a folder next to this file with a class that implements both (Cloud), and list it in
// clouds.ts.
import type * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../provision/plan/explain.ts";
import type { Inventory } from "../provision/builder/life-cycle-commands.ts";
import type { Distribution } from "../provision/module.ts";
import type { Plan } from "../provision/plan/plan.ts";
import type { RootBase } from "../provision/recipe/recipe.ts";
import type { BuilderIdentity } from "../provision/builder/verification.ts";
import type { Proxy } from "./shared/bastion.ts";
import type { BakeStage } from "./stages.ts";

/** The image of another recipe of the stack from which a builder starts, in the same place. */
export interface Tier {
  /** Its stack output. It is known only when the image is proven. */
  image: pulumi.Output<ImageOutput>;
  /** Resources that must exist before it is proven. No part of the bake may begin earlier. */
  proven: pulumi.Resource[];
}

/** A base image with a pinned identity. */
export interface Base {
  /** Determines the content: an AMI id, a digest. Part of the recipe hash. */
  id: string;
  /** Its name for people: `debian 12.12`. */
  description: string;
  /** A notice for the user, e.g. that the mirror did not answer. */
  notice?: string;
  /** The plan it was made from, if it is the image of another recipe of the stack. */
  plan?: PlanDescription;
}

/** An existing image of this stack and distribution in the cloud. */
export interface Generation {
  /** The recipe hash. */
  recipe: string;
  /** Whether it has been verified. Only proven images may be stack outputs. */
  proven: boolean;
  /** The plan it was made from, if the cloud or the stack has a record of it. */
  plan?: PlanDescription;
  /** The base image it was made from. */
  base?: Base;
  /** ISO 8601. */
  builtAt: string;
  /** The recipe's name. */
  name: string;
  /** The image's id, or its folder. */
  location: string;
  /** The builder's identity, if the cloud has a record of it. Verification needs it. */
  builder?: BuilderIdentity;
  /** The ids of its copies, by place. */
  copies?: Readonly<Record<string, string>>;
}

/** The existing images and builders of a stack and distribution, looked up before anything is declared. */
export interface Survey {
  /** Newest first. */
  generations: Generation[];
  /** Recipe hashes of builders that a bake continues with: it failed, or ended at a stage before `image`. */
  builders: string[];
  /**
   * Recipe hashes of builders past their deadline, which the next `pulumi up` replaces. Undefined on `local`, where any
   * later command removes them.
   */
  expired?: string[];
  /**
   * Recipe hashes of builders that were sealed and stopped but have no image yet. They must not be started again.
   */
  sealed?: string[];
  /**
   * Notices for the user, one line each, about images that are in the way of a new one and what will happen to them.
   */
  notices?: string[];
}

/** The identity of an image that exists or will be baked. */
export interface ImageIdentity {
  /** The recipe's name. An existing image has the name that the recipe had at the time. */
  name: string;
  distribution: Distribution;
  /** The recipe hash. */
  recipe: string;
  /**
   * The worker image's name, which labels its machines if the stack has several worker images of a distribution.
   * Undefined if the worker image is named after its distribution alone.
   */
  worker?: string;
  /** The prefix of all logical names: place (if there are several), distribution and recipe. */
  prefix: string;
  /** The component that is the parent of all resources. */
  parent: pulumi.Resource;
}

/** An image that will be baked. */
export interface Bake extends ImageIdentity {
  plan: Plan;
  base: Base;
  /** The base, if it is the image of another recipe of the stack. */
  tier?: Tier;
  /** The plan, recorded to explain later changes. */
  description: PlanDescription;
  /** Whether the builder exists from an earlier `pulumi up`, which failed or ended at an earlier stage. */
  interrupted: boolean;
  /**
   * Whether that builder was sealed and stopped. The official resource must then not control whether it runs: after a
   * `pulumi refresh` it would start the stopped machine.
   */
  sealed: boolean;
  /** The last stage of the bake. At stages before `image`, the builder must accept logins after `pulumi up`, too. */
  stage: BakeStage;
}

/** How to connect to a machine, in the form that `remote.Command` of @pulumi/command needs. */
export interface Connection {
  host: pulumi.Input<string>;
  port: pulumi.Input<number>;
  user: pulumi.Input<string>;
  privateKey: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  /** The bastion. */
  proxy?: Proxy;
}

/** A declared machine: a builder, or a trial machine that boots from the image. */
export interface Machine {
  connection: Connection;
  /** The account for people's logins; by default, the connection's. */
  loginUser?: string;
  /** Unique to each machine. It is in the triggers of commands, so that they run again on a new machine. */
  instance: pulumi.Output<string>;
  /** The public key of the login, as a line of authorized_keys. */
  authorizedKey: pulumi.Output<string>;
  /** The program and arguments of the cloud's tool that makes a connection, if the machine is reached by a tunnel. */
  tunnel?: pulumi.Output<string[]>;
  /** The resource that commands must wait for. */
  ready: pulumi.Resource;
  /** Whether cloud-init sets up the machine while it boots. The first module waits until it has finished. */
  settles?: boolean;
  /**
   * The modules that came with the layer from which the machine started, the first ones of the plan: their commands do
   * nothing. `list` is the path on the builder of a list of their prefix hashes.
   */
  startingLayer?: { count: pulumi.Output<number>; list: string };
  /** Declares a layer of the builder's state after a module. @param index The module's place in the plan. */
  keepLayer?: (index: number, after: pulumi.Input<pulumi.Resource[]>) => pulumi.Resource;
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
  /** The identity of its builder, from which machines that boot from the image must differ. */
  builder: pulumi.Output<BuilderIdentity>;
}

/** A trial machine. */
export interface Trial extends Machine {
  /** How it was booted, for the proof: `qemu tcg, uefi`, `t3.small`. */
  how: pulumi.Input<string>;
  /** Declares that the machine is ended after `last`. */
  retire(last: pulumi.Resource): pulumi.Resource;
}

/** How an image was verified. */
export interface Proof {
  /** See {@link Trial}. */
  how: pulumi.Input<string>;
  /** The verification's output, with one line per check. */
  report: pulumi.Input<string>;
}

/** An image's stack outputs, by place. `local` has one place, named like the cloud. */
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
  /** Whether the stopped builder's disk can be read, so that the sealing can be checked there. */
  readonly readsStopped?: boolean;
  /** The disk's size in bytes, if the stack's settings have it instead of the recipe. Part of the recipe hash. */
  readonly sizeBytes?: number;
  /** The login account of the base images, if it differs from the distribution's. */
  loginUser?(distribution: Distribution): string | undefined;
  /**
   * Pins the base image.
   * @param base The recipe's base. Clouds with their own base images ignore it.
   * @param pinned The base to keep, of the newest proven image (stack setting `base: pinned`).
   * @throws UserError when there is no base image.
   */
  resolveBase(base: RootBase, distribution: Distribution, pinned?: Base): Promise<Base>;
  /**
   * Called instead of `resolveBase` if the base is the image of another recipe, in the same place.
   * @param below The bakery of that image.
   * @throws UserError when builders can't start from that image.
   */
  buildOn?(distribution: Distribution, below: Bakery): void;
  /** Counts the plan's first modules that a new builder would get from a layer. Missing if there are no layers. */
  countFromLayer?(plan: Plan, base: Base): Promise<number>;
  /** Declares lease, keys and machine. */
  declareBuilder(bake: Bake): Machine;
  /** Declares that logins end after `after`. The sealing command depends on the returned resource. */
  declareSealing(bake: Bake, builder: Machine, after: pulumi.Resource): pulumi.Resource;
  /**
   * Declares that the sealed builder is stopped, the image made and the builder ended, in the order the cloud needs.
   */
  declareImage(
    bake: Bake,
    builder: Machine,
    sealed: pulumi.Resource,
    inventory: pulumi.Output<Inventory>,
  ): DeclaredImage;
}

/**
 * A place that keeps images: this computer, a region of EC2 or OpenStack, or a project of GCE. The images come from its
 * own bakery, or are imported. Methods that begin with `declare` register resources; the others look things up and
 * change nothing.
 */
export interface Place {
  /** The cloud's name, as in the stack setting `cloud`. */
  readonly name: string;
  /** The cloud's name in the stack's outputs: `aws`. */
  readonly outputName: string;
  /** The region or project, as in the outputs; undefined if the cloud has only one place (`local`). */
  readonly place?: string;
  /**
   * Looks up the stack's images of a distribution, of all recipes, and the builders of one worker image.
   * @param worker See {@link ImageIdentity}.
   */
  survey(distribution: Distribution, worker?: string): Promise<Survey>;
  /**
   * Checks whether builders and trial machines can be made here; called before they are declared.
   * @param recipe The recipe's hash.
   * @param stage The last stage of the bake.
   * @throws UserError when they can't.
   */
  preflight(plan: Plan, recipe: string, stage: BakeStage): Promise<void>;
  /**
   * Declares the upload of an image from this computer, and its removal on failure. Missing if imports are impossible.
   */
  declareImport?(bake: Bake, source: LocalImage): DeclaredImage;
  /** Declares an existing image, without a builder. */
  declareGeneration(identity: ImageIdentity, generation: Generation): DeclaredImage;
  /** Declares a trial machine booted from the image. */
  declareTrial(bake: Bake, image: DeclaredImage): Trial;
  /** Declares that the image is proven. Stack outputs wait for it. */
  declarePromotion(bake: Bake, image: DeclaredImage, proof: Proof, after: pulumi.Resource[]): pulumi.CustomResource;
  /**
   * Declares the resources that make a proven image available: copies in other places, sharing, families. Every `up`
   * calls it for every proven image of the stack, so the same image must always get the same resources.
   * @param after The promotion, if the image is new.
   * @returns an output for each place that has the image, including this one.
   */
  declareDistribution(identity: ImageIdentity, image: DeclaredImage, after: pulumi.Resource[]): Distributed;
}

/** A place with its own bakery. */
export interface Cloud extends Bakery, Place {}

/** This computer: other places can import its images (stack setting `bakery: local`). */
export interface LocalBakery extends Cloud {
  /**
   * Finds a proven image of the recipe, from any stack. During `pulumi up`, waits while another stack bakes the recipe.
   * @returns undefined if there is none. The caller must then bake it; other stacks wait for that.
   */
  findBaked(distribution: Distribution, recipe: string): Promise<Generation | undefined>;
  /**
   * Describes a finished image on this computer, from any project.
   * @throws UserError when it doesn't exist or was not verified.
   */
  describe(
    location: string,
  ): Promise<Generation & { distribution: string; sizeBytes: number; base: Base; plan: PlanDescription }>;
}
