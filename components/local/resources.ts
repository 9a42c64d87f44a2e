// Typed handles on the resources of the `local` cloud; what they do stands in provider/resources/local/.
import * as pulumi from "@pulumi/pulumi";
import type { BuilderIdentity } from "../../provision/verification.ts";
import type { Base } from "../cloud.ts";

type Strings = Record<string, pulumi.Input<string>>;

/** A base image in the cache. */
export class BaseImage extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: { base: Base }, options?: pulumi.CustomResourceOptions) {
    super("ci-images:local:BaseImage", name, { path: undefined, ...args }, options);
  }
}

export interface LeaseArgs {
  prefix: string;
  labels: Strings;
  /** Seconds. */
  lifetime: number;
  /** The folder of the image that is made with the machine. */
  image?: string;
  /** True replaces a machine that was sealed. */
  open?: boolean;
}

/** The lease of a machine. */
export class Lease extends pulumi.CustomResource {
  declare readonly machine: pulumi.Output<string>;
  declare readonly deadline: pulumi.Output<string>;

  constructor(name: string, args: LeaseArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:local:Lease", name, { machine: undefined, deadline: undefined, ...args }, options);
  }
}

export interface BuilderArgs {
  name: pulumi.Input<string>;
  deadline: pulumi.Input<string>;
  labels: Strings;
  base: pulumi.Input<string>;
  loginUser: string;
  authorizedKey: pulumi.Input<string>;
  hostPrivateKey: pulumi.Input<string>;
  hostPublicKey: pulumi.Input<string>;
  power: "on" | "off";
}

/** A container that boots the base image. */
export class Builder extends pulumi.CustomResource {
  declare readonly host: pulumi.Output<string>;
  declare readonly port: pulumi.Output<number>;
  declare readonly instance: pulumi.Output<string>;

  constructor(name: string, args: BuilderArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { host: undefined, port: undefined, instance: undefined };
    super("ci-images:local:Builder", name, { ...outputs, ...args }, options);
  }
}

/** A step of the life cycle that acts once on a machine. */
export class Step extends pulumi.CustomResource {
  constructor(
    type: "SealMark" | "Stop" | "Retirement",
    name: string,
    args: { machine: pulumi.Input<string>; instance: pulumi.Input<string> },
    options?: pulumi.CustomResourceOptions,
  ) {
    super(`ci-images:local:${type}`, name, args, options);
  }
}

export interface ImageArgs extends Record<string, unknown> {
  path: string;
  recipe: string;
  name: string;
  distribution: string;
  project: string;
  stack: string;
}

/** A folder with a bootable disk. */
export class Image extends pulumi.CustomResource {
  declare readonly path: pulumi.Output<string>;
  declare readonly disk: pulumi.Output<string>;
  declare readonly sha256: pulumi.Output<string>;
  declare readonly bytes: pulumi.Output<number>;
  declare readonly builtAt: pulumi.Output<string>;
  declare readonly recipe: pulumi.Output<string>;
  declare readonly builder: pulumi.Output<BuilderIdentity>;

  constructor(name: string, args: ImageArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { disk: undefined, sha256: undefined, bytes: undefined, builtAt: undefined, builder: undefined };
    super("ci-images:local:Image", name, { ...outputs, ...args }, options);
  }
}

export interface VirtualMachineArgs {
  name: pulumi.Input<string>;
  deadline: pulumi.Input<string>;
  labels: Strings;
  disk: pulumi.Input<string>;
  firmware: string;
  loginUser: string;
  authorizedKey: pulumi.Input<string>;
}

/** A throw-away machine booted from an image. */
export class VirtualMachine extends pulumi.CustomResource {
  declare readonly host: pulumi.Output<string>;
  declare readonly port: pulumi.Output<number>;
  declare readonly hostKey: pulumi.Output<string>;
  declare readonly instance: pulumi.Output<string>;

  constructor(name: string, args: VirtualMachineArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { host: undefined, port: undefined, hostKey: undefined, instance: undefined };
    super("ci-images:local:VirtualMachine", name, { ...outputs, ...args }, options);
  }
}

export interface PromotionArgs {
  image: pulumi.Input<string>;
  builtAt: pulumi.Input<string>;
  how: pulumi.Input<string>;
  report: pulumi.Input<string>;
}

/** Makes a verified image a proven one. */
export class Promotion extends pulumi.CustomResource {
  constructor(name: string, args: PromotionArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:local:Promotion", name, { ...args }, options);
  }
}
