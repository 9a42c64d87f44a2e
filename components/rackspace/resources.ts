// Typed handles on our own provider's resources for OpenStack; what they do stands in provider/resources/rackspace/.
import * as pulumi from "@pulumi/pulumi";
import type { Labels } from "../../common/labels.ts";
import type { BuilderIdentity } from "../../provision/verification.ts";

type Text = pulumi.Input<string>;

export interface LeaseArgs {
  region: string;
  prefix: string;
  labels: Omit<Labels, "expires">;
  tags: Record<string, string>;
  /** Seconds. */
  lifetime: number;
  open: boolean;
}

/** The lease of a server. */
export class Lease extends pulumi.CustomResource {
  declare readonly machine: pulumi.Output<string>;
  declare readonly deadline: pulumi.Output<string>;
  declare readonly metadata: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: LeaseArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = { machine: undefined, deadline: undefined, metadata: undefined };
    super("ci-images:rackspace:Lease", name, { ...outputs, ...args }, options);
  }
}

export interface BootArgs {
  region: string;
  server: Text;
  host: Text;
  port: number;
  user: string;
  hostKey: Text;
  /** Seconds. */
  deadline: number;
}

/** The first answer of a server. */
export class Boot extends pulumi.CustomResource {
  constructor(name: string, args: BootArgs, options?: pulumi.CustomResourceOptions) {
    super("ci-images:rackspace:Boot", name, { ...args }, options);
  }
}

/** A step of the life cycle that acts once on a server. */
export class Step extends pulumi.CustomResource {
  constructor(
    type: "SealMark" | "Stop" | "Retirement",
    name: string,
    args: { region: string; server: Text },
    options?: pulumi.CustomResourceOptions,
  ) {
    super(`ci-images:rackspace:${type}`, name, args, options);
  }
}

export interface ServerImageArgs {
  region: string;
  project: string;
  stack: string;
  distribution: string;
  recipe: string;
  name: string;
  properties: Record<string, string>;
  /** Only when it is to be made. */
  making?: {
    server: Text;
    machine: Text;
    base: string;
    expires: Text;
    plan: object;
    builder: pulumi.Input<{ machineId: Text; hostKeys: Text[]; loginKey: Text }>;
  };
}

/** An image made from a server. */
export class ServerImage extends pulumi.CustomResource {
  /** Its id in Glance. */
  declare readonly image: pulumi.Output<string>;
  declare readonly imageName: pulumi.Output<string>;
  declare readonly bytes: pulumi.Output<number>;
  declare readonly builtAt: pulumi.Output<string>;
  declare readonly recipe: pulumi.Output<string>;
  declare readonly builder: pulumi.Output<BuilderIdentity>;

  constructor(name: string, args: ServerImageArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = {
      image: undefined,
      imageName: undefined,
      bytes: undefined,
      builtAt: undefined,
      builder: undefined,
    };
    super("ci-images:rackspace:ServerImage", name, { ...outputs, ...args }, options);
  }
}

/** A second look at an image, when its server is gone. */
export class ImageLook extends pulumi.CustomResource {
  declare readonly image: pulumi.Output<string>;

  constructor(name: string, args: { region: string; image: Text }, options?: pulumi.CustomResourceOptions) {
    super("ci-images:rackspace:ImageLook", name, args, options);
  }
}

/** Makes a verified image a proven one. */
export class Promotion extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { region: string; image: Text; how: Text; report: Text },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:rackspace:Promotion", name, args, options);
  }
}

/** Who may use an image beside its project. */
export class Sharing extends pulumi.CustomResource {
  constructor(
    name: string,
    args: { region: string; image: Text; visibility: string; members: string[] },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("ci-images:rackspace:Sharing", name, args, options);
  }
}
