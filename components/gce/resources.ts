// Typed handles on our own provider's resources for Google Compute Engine; what they do stands in provider/resources/gce/.
import * as pulumi from "@pulumi/pulumi";
import type { Labels } from "../../common/labels.ts";

type Text = pulumi.Input<string>;

export interface LeaseArgs {
  project: string;
  zone: string;
  prefix: string;
  labels: Omit<Labels, "expires">;
  /** Seconds. */
  lifetime: number;
  /** The name of the image that is made with the machine. */
  image?: string;
  /** True replaces a machine that was sealed. */
  open?: boolean;
  /** False replaces a machine that the state does not have. */
  recorded: boolean;
}

/** The lease of a machine. */
export class Lease extends pulumi.CustomResource {
  declare readonly machine: pulumi.Output<string>;
  declare readonly deadline: pulumi.Output<string>;

  constructor(name: string, args: LeaseArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:gce:Lease", name, { machine: undefined, deadline: undefined, ...args }, options);
  }
}

/** Which machine a step acts on. */
export interface MachineArgs {
  project: string;
  zone: string;
  machine: Text;
  /** The instance's id. */
  instance: Text;
}

export interface ArrivalArgs extends MachineArgs {
  host: Text;
  port: number;
  user: string;
  hostKey: Text;
  /** Seconds. */
  patience: number;
}

/** The first answer of a machine. */
export class Arrival extends pulumi.CustomResource {
  constructor(name: string, args: ArrivalArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:gce:Arrival", name, { ...args }, options);
  }
}

/** A step of the life cycle that acts once on a machine. */
export class Step extends pulumi.CustomResource {
  constructor(
    type: "SealMark" | "Retirement" | "TrialRetirement",
    name: string,
    args: MachineArgs,
    options?: pulumi.CustomResourceOptions,
  ) {
    super(`ci-images:gce:${type}`, name, { ...args }, options);
  }
}

/** Makes room for the image: removes what is left of one that came to nothing. */
export class Clearing extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { project: string; image: string; instance: Text },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:gce:Clearing", name, args, options);
  }
}

/** Drops the builder's disk once there is an image of it. */
export class DiskDrop extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { project: string; zone: string; machine: Text; image: Text },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:gce:DiskDrop", name, args, options);
  }
}

export interface PromotionArgs {
  project: string;
  image: Text;
  builtAt: Text;
  how: Text;
  report: Text;
}

/** Makes a verified image a proven one. */
export class Promotion extends pulumi.CustomResource {
  constructor(name: string, args: PromotionArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:gce:Promotion", name, { ...args }, options);
  }
}

/** The membership of a proven image in a family. */
export class Family extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { project: string; image: Text; family: string },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:gce:Family", name, args, options);
  }
}
