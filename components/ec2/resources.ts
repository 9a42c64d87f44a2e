// Typed handles on our own resources of stack `ec2`; what they do stands in components/ec2/provider/resources/.
import type * as pulumi from "@pulumi/pulumi";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
import { namedOutputs as ownResource } from "../shared/named-outputs.ts";
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
  /** `on` replaces a spot machine that AWS has stopped. */
  power: Power;
  madeWith: MadeWith;
}

/** What a machine is launched with. */
export interface MadeWith {
  instanceType: string;
  /** Whether spot capacity is asked for first. */
  spot: boolean;
  vpc: string;
  subnet: string;
  publicAddress: boolean;
  instanceProfile?: string;
  /** The root disk, in GiB; the key is a KMS key's ARN. */
  disk: { size: number; encrypted: boolean; kmsKey?: string };
  /** More tags: the stack setting `tags`. */
  tags: Record<string, string>;
}

export interface LeaseOutputs {
  /** The machine's name, never used twice. */
  machine: string;
  /** ISO 8601. */
  deadline: string;
  /** As it was when the lease was made: changed settings count for the next machine. */
  madeWith: MadeWith;
}

/** The lease of a machine. */
export const Lease = ownResource<LeaseArgs, LeaseOutputs>("ec2:Lease", "machine", "deadline", "madeWith");
export type Lease = InstanceType<typeof Lease>;

export interface MarketArgs {
  region: string;
  machine: Text;
  image: Text;
  /** How the machine itself will be launched. */
  madeWith: pulumi.Input<MadeWith>;
  tags: pulumi.Input<Tags>;
}

/** Whether there is spot capacity: its `market` is `spot` or `on-demand`. */
export const Market = ownResource<MarketArgs, { market: string }>("ec2:Market", "market");

export interface StepArgs {
  region: string;
  machine: Text;
  /** The instance's id. */
  instance: Text;
}

/** Steps of the life cycle that act once on a machine. */
export const steps = {
  SealMark: ownResource<StepArgs>("ec2:SealMark"),
  Stop: ownResource<StepArgs>("ec2:Stop"),
  Retirement: ownResource<StepArgs>("ec2:Retirement"),
};

export interface ReachableArgs extends StepArgs {
  /** Which address is used. */
  address: pulumi.Input<"public" | "private">;
  /** The host of a port forward that is used instead. */
  forward?: Text;
  port: pulumi.Input<number>;
  user: string;
  hostKey: Text;
  privateKey: Text;
  power: Power;
}

/** Waits until a machine answers by SSH; its `host` is where the machine is now, and the others say how it lets us in. */
export const Reachable = ownResource<ReachableArgs, { host: string; sshPort: number; sshUser: string }>(
  "ec2:Reachable",
  "host",
  "sshPort",
  "sshUser",
);

/** The lease of an AMI: declared before the image, and makes sure in the end that the image is gone with its snapshots. */
export const ImageLease = ownResource<{ region: string; name: string; tags: Record<string, string> }>("ec2:ImageLease");
export type ImageLease = InstanceType<typeof ImageLease>;

/** Removes AMIs that AWS gave up on. */
export const FailedImages = ownResource<{ region: string; images: string[] }>("ec2:FailedImages");

export interface ImageAttributesArgs {
  region: string;
  image: Text;
  /** For the snapshots. */
  tags: Record<string, string>;
  /** Seconds from the image's making. */
  deprecateAfter?: number;
  protect: boolean;
}

export interface ImageAttributesOutputs {
  /** The AMI's name. */
  name: string;
  /** ISO 8601. */
  builtAt: string;
  image: string;
}

/** What the official AMI resources do not set. */
export const ImageAttributes = ownResource<ImageAttributesArgs, ImageAttributesOutputs>(
  "ec2:ImageAttributes",
  "name",
  "builtAt",
  "image",
);
export type ImageAttributes = InstanceType<typeof ImageAttributes>;

/** Makes a verified image a proven one. */
export const Promotion = ownResource<{ region: string; image: Text; how: Text; report: Text }>("ec2:Promotion");

export interface ImportedImageArgs {
  region: string;
  tags: Record<string, string>;
  /** Only when it is to be made; see components/ec2/provider/resources/imported-image.ts. */
  importing?: {
    folder: Text;
    recipe: string;
    name: string;
    description: string;
    lease: Record<string, string>;
    /** Seconds. */
    lifetime: number;
    /** GiB. */
    diskSize: number;
    bootMode: "uefi" | "legacy-bios" | "uefi-preferred";
    encrypted: boolean;
    kmsKey?: string;
  };
}

/** An image of a disk that was baked on this computer. */
export const ImportedImage = ownResource<ImportedImageArgs, { image: string; name: string; builder: BuilderIdentity }>(
  "ec2:ImportedImage",
  "image",
  "name",
  "builder",
);
export type ImportedImage = InstanceType<typeof ImportedImage>;

/** An image whose state was lost. */
export const AdoptedImage = ownResource<{ region: string; image: string; tags: Record<string, string> }>(
  "ec2:AdoptedImage",
);
