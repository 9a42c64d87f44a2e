// Typed handles on our own resources of stack `ec2`; what they do stands in provider/resources/ec2/.
import * as pulumi from "@pulumi/pulumi";
import type { Power } from "../stages.ts";

type Text = pulumi.Input<string>;
type Tags = Record<string, Text>;

export interface LeaseArgs {
  region: string;
  prefix: string;
  labels: Record<string, string>;
  /** Seconds. */
  lifetime: number;
  /** True replaces a machine that was sealed. */
  open: boolean;
  /** False replaces a machine that the state does not have. */
  recorded: boolean;
}

/** The lease of a machine. */
export class Lease extends pulumi.CustomResource {
  /** The machine's name, never used twice. */
  declare readonly machine: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly deadline: pulumi.Output<string>;

  constructor(name: string, args: LeaseArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:Lease", name, { machine: undefined, deadline: undefined, ...args }, options);
  }
}

export interface MarketArgs {
  region: string;
  machine: Text;
  instanceType: string;
  image: Text;
  subnet?: string;
  tags: pulumi.Input<Tags>;
}

/** Whether there is spot capacity. */
export class Market extends pulumi.CustomResource {
  /** `spot` or `on-demand`. */
  declare readonly market: pulumi.Output<string>;

  constructor(name: string, args: MarketArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:Market", name, { market: undefined, ...args }, options);
  }
}

export interface StepArgs {
  region: string;
  machine: Text;
  /** The instance's id. */
  instance: Text;
}

/** A step of the life cycle that acts once on a machine. */
export class Step extends pulumi.CustomResource {
  constructor(
    type: "SealMark" | "Stop" | "Retirement",
    name: string,
    args: StepArgs,
    options?: pulumi.CustomResourceOptions,
  ) {
    super(`ci-images:ec2:${type}`, name, { ...args }, options);
  }
}

export interface ReachableArgs extends StepArgs {
  /** Which address is used. */
  address: "public" | "private";
  port: number;
  user: string;
  hostKey: Text;
  power: Power;
}

/** Waits until a machine answers by SSH. */
export class Reachable extends pulumi.CustomResource {
  /** Where it is now. */
  declare readonly host: pulumi.Output<string>;

  constructor(name: string, args: ReachableArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:Reachable", name, { host: undefined, ...args }, options);
  }
}

/** The lease of an AMI: declared before the image, and makes sure in the end that the image is gone with its snapshots. */
export class ImageLease extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { region: string; tags: Record<string, string> },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:ec2:ImageLease", name, args, options);
  }
}

/** Removes AMIs that AWS gave up on. */
export class FailedImages extends pulumi.CustomResource {
  constructor(name: string, args: { region: string; images: string[] }, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:FailedImages", name, args, options);
  }
}

export interface ImageAttributesArgs {
  region: string;
  image: Text;
  /** For the snapshots. */
  tags: Record<string, string>;
  /** Seconds from the image's making. */
  deprecateAfter?: number;
  protect: boolean;
}

/** What the official AMI resources do not set. */
export class ImageAttributes extends pulumi.CustomResource {
  /** The AMI's name. */
  declare readonly name: pulumi.Output<string>;
  /** ISO 8601. */
  declare readonly builtAt: pulumi.Output<string>;
  declare readonly image: pulumi.Output<string>;

  constructor(name: string, args: ImageAttributesArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:ImageAttributes", name, { name: undefined, builtAt: undefined, ...args }, options);
  }
}

/** Makes a verified image a proven one. */
export class Promotion extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { region: string; image: Text; how: Text; report: Text },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:ec2:Promotion", name, args, options);
  }
}

/** An image whose state was lost. */
export class AdoptedImage extends pulumi.CustomResource {
  constructor(name: string, args: { region: string; image: string }, options?: pulumi.CustomResourceOptions) {
    super("ci-images:ec2:AdoptedImage", name, args, options);
  }
}
