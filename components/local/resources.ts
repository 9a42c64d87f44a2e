// Typed handles on the resources of the `local` cloud; what they do stands in components/local/provider/resources/.
import type { Input } from "@pulumi/pulumi";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
import type { Base } from "../cloud.ts";
import { ownResource } from "../shared/own-resource.ts";

type Text = Input<string>;
type Strings = Record<string, Text>;

/** A base image in the cache. */
export const BaseImage = ownResource<{ base: Base }, { path: string }>("local:BaseImage", "path");

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
export const Lease = ownResource<LeaseArgs, { machine: string; deadline: string }>(
  "local:Lease",
  "machine",
  "deadline",
);
export type Lease = InstanceType<typeof Lease>;

export interface BuilderArgs {
  name: Text;
  deadline: Text;
  labels: Strings;
  base: Text;
  size: number;
  loginUser: string;
  authorizedKey: Text;
  hostPrivateKey: Text;
  hostPublicKey: Text;
  power: "on" | "off";
}

/** A container that boots the base image. */
export const Builder = ownResource<BuilderArgs, { host: string; port: number; instance: string }>(
  "local:Builder",
  "host",
  "port",
  "instance",
);
export type Builder = InstanceType<typeof Builder>;

/** Which machine a step acts on. */
export interface StepArgs {
  machine: Text;
  instance: Text;
}

/** Steps of the life cycle that act once on a machine. */
export const steps = {
  SealMark: ownResource<StepArgs>("local:SealMark"),
  Stop: ownResource<StepArgs>("local:Stop"),
  Retirement: ownResource<StepArgs>("local:Retirement"),
};

export interface ImageArgs extends Record<string, unknown> {
  path: string;
  recipe: string;
  name: string;
  distribution: string;
  project: string;
  stack: string;
}

export interface ImageOutputs {
  path: string;
  disk: string;
  sha256: string;
  bytes: number;
  builtAt: string;
  recipe: string;
  builder: BuilderIdentity;
}

/** A folder with a bootable disk. */
export const Image = ownResource<ImageArgs, ImageOutputs>(
  "local:Image",
  "path",
  "disk",
  "sha256",
  "bytes",
  "builtAt",
  "recipe",
  "builder",
);
export type Image = InstanceType<typeof Image>;

export interface VirtualMachineArgs {
  name: Text;
  deadline: Text;
  labels: Strings;
  disk: Text;
  firmware: string;
  loginUser: string;
  authorizedKey: Text;
  privateKey: Text;
}

/** A throw-away machine booted from an image, once it lets us in. */
export const VirtualMachine = ownResource<
  VirtualMachineArgs,
  { host: string; port: number; user: string; hostKey: string; instance: string }
>("local:VirtualMachine", "host", "port", "user", "hostKey", "instance");
export type VirtualMachine = InstanceType<typeof VirtualMachine>;

export interface PromotionArgs {
  image: Text;
  builtAt: Text;
  how: Text;
  report: Text;
}

/** Makes a verified image a proven one. */
export const Promotion = ownResource<PromotionArgs>("local:Promotion");
