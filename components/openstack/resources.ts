// Typed handles on our own provider's resources for OpenStack; what they do stands in components/openstack/provider/resources/.
import type { Input } from "@pulumi/pulumi";
import type { Labels } from "../../common/labels.ts";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
import { namedOutputs as ownResource } from "../shared/named-outputs.ts";
import type { Power } from "../stages.ts";

type Text = Input<string>;

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
export const Lease = ownResource<
  LeaseArgs,
  { machine: string; deadline: string; metadata: Readonly<Record<string, string>> }
>("rackspace:Lease", "machine", "deadline", "metadata");
export type Lease = InstanceType<typeof Lease>;

/** The lease of an import. */
export const ImportLease = ownResource<Omit<LeaseArgs, "tags" | "open">, { machine: string; expires: string }>(
  "rackspace:ImportLease",
  "machine",
  "expires",
);

export interface BootArgs {
  region: string;
  server: Text;
  host: Text;
  port: number;
  user: string;
  hostKey: Text;
  privateKey: Text;
  /** Seconds. */
  deadline: number;
  power: Power;
}

/** A server's answer by SSH, whenever it was started, and how it lets us in. */
export const Boot = ownResource<BootArgs, { sshPort: number; sshUser: string }>("rackspace:Boot", "sshPort", "sshUser");

/** Which server a step acts on. */
export interface StepArgs {
  region: string;
  server: Text;
}

/** Steps of the life cycle that act once on a server. */
export const steps = {
  SealMark: ownResource<StepArgs>("rackspace:SealMark"),
  Stop: ownResource<StepArgs>("rackspace:Stop"),
  Retirement: ownResource<StepArgs>("rackspace:Retirement"),
};

export interface ServerImageArgs {
  region: string;
  project: string;
  stack: string;
  distribution: string;
  recipe: string;
  name: string;
  properties: Record<string, string>;
  worker?: string;
  /** Only when it is to be made. */
  making?: {
    server: Text;
    machine: Text;
    base: string;
    expires: Text;
    plan: object;
    builder: Input<{ machineId: Text; hostKeys: Text[]; loginKey: Text }>;
  };
  /** Only when it is to be imported. */
  importing?: {
    folder: Text;
    machine: Text;
    base: string;
    expires: Text;
    plan: object;
    format: "qcow2" | "raw";
    defaults: Record<string, string>;
  };
}

export interface ServerImageOutputs {
  /** Its id in Glance. */
  image: string;
  imageName: string;
  bytes: number;
  /** ISO 8601. */
  builtAt: string;
  recipe: string;
  builder: BuilderIdentity;
}

/** An image made from a server, or imported. */
export const ServerImage = ownResource<ServerImageArgs, ServerImageOutputs>(
  "rackspace:ServerImage",
  "image",
  "imageName",
  "bytes",
  "builtAt",
  "recipe",
  "builder",
);
export type ServerImage = InstanceType<typeof ServerImage>;

/** An image of a region. */
export interface ImageArgs {
  region: string;
  image: Text;
}

/** A second look at an image, when its server is gone. */
export const ImageLook = ownResource<ImageArgs, { image: string }>("rackspace:ImageLook", "image");
export type ImageLook = InstanceType<typeof ImageLook>;

/** Makes a verified image a proven one. */
export const Promotion = ownResource<ImageArgs & { how: Text; report: Text }>("rackspace:Promotion");

/** Who may use an image beside its project. */
export const Sharing = ownResource<ImageArgs & { visibility: string; members: string[] }>("rackspace:Sharing");
