// Contracts of the resources and functions of `ec2`.
import * as v from "valibot";
import {
  filled,
  functionContract,
  integer,
  listOf,
  objectOf,
  resourceContract,
  textByName,
  texts,
} from "../../common/contract.ts";
import {
  builderIdentity,
  leaseInputs,
  leaseOutputs,
  leftover,
  power,
  proof,
  reachableInputs,
  sweepInputs,
  way,
} from "../shared/contract.ts";
import type { UselessImage } from "./facts/blocking-image.ts";

const architecture = v.picklist(["amd64", "arm64"]);

/** As AWS names them; `uefi-preferred` boots by UEFI where the instance type can, else by BIOS. */
const bootMode = v.picklist(["uefi", "legacy-bios", "uefi-preferred"]);
export type BootMode = v.InferOutput<typeof bootMode>;

/** What a machine is launched with. */
const madeWith = v.object({
  instanceType: v.string(),
  /** Whether spot capacity is asked for first. */
  spot: v.boolean(),
  vpc: v.string(),
  subnet: v.string(),
  publicAddress: v.boolean(),
  /** An IAM instance profile's name. */
  instanceProfile: v.optional(v.string()),
  /** The root disk. */
  disk: v.object({
    /** GiB. */
    size: v.number(),
    encrypted: v.boolean(),
    /** A KMS key's ARN. */
    kmsKey: v.optional(v.string()),
  }),
  /** More tags: the stack setting `tags`. */
  tags: textByName,
});
export type MadeWith = v.InferOutput<typeof madeWith>;

/** The lease of a machine. */
export const Lease = resourceContract("ci-images:ec2:Lease", {
  inputs: {
    region: v.string(),
    ...leaseInputs,
    /** False replaces a machine that the stack's state does not have. */
    recorded: v.boolean(),
    /** `on` replaces a spot machine that AWS has stopped. */
    power,
    /** It is kept as it was when the lease was made: a change counts for the next machine. */
    madeWith,
  },
  replaceOn: ["region", "prefix", "labels"],
  addedLater: ["power", "madeWith"],
  outputs: leaseOutputs,
});

/** Whether there is spot capacity. A machine stays what it was launched as: what changes counts for the next one. */
export const Market = resourceContract("ci-images:ec2:Market", {
  inputs: {
    region: v.string(),
    /** The name that the machine's lease gave: what is left of a probe goes with the lease. */
    machine: v.string(),
    /** The AMI that the machine will be started from. */
    image: v.string(),
    /** How it will be launched, as its lease has it. */
    madeWith: v.omit(madeWith, ["vpc", "tags"]),
    /** For the probe. */
    tags: textByName,
  },
  replaceOn: ["region", "machine"],
  outputs: { market: v.picklist(["spot", "on-demand"]) },
});

const stepInputs = {
  region: v.string(),
  /** The name that the machine's lease gave. */
  machine: v.string(),
  /** The instance's id: another instance is another step. */
  instance: v.string(),
};
const step = { inputs: stepInputs, replaceOn: ["region", "machine", "instance"] } as const;

/** Marks the instance: sealing begins. */
export const SealMark = resourceContract("ci-images:ec2:SealMark", step);

/** Stops the sealed builder through the API, so that its disk is at rest when it is imaged. */
export const Stop = resourceContract("ci-images:ec2:Stop", step);

/** Ends a machine and everything that belongs to it, in the `pulumi up` that made it. */
export const Retirement = resourceContract("ci-images:ec2:Retirement", step);

/** Waits until a machine answers by SSH; its outputs are the address, port and user. */
export const Reachable = resourceContract("ci-images:ec2:Reachable", {
  inputs: {
    ...stepInputs,
    /** Which of its addresses is used. */
    address: v.picklist(["public", "private"]),
    /** The host of a port forward that is used instead. */
    forward: v.optional(v.string()),
    ...reachableInputs,
    /** With `off`, it does not wait. */
    power,
  },
  replaceOn: ["region", "machine", "instance", "hostKey"],
  outputs: {
    /** Its present address; the last one while it is off. */
    host: v.string(),
    ...way,
  },
  secrets: ["privateKey", "proxy"],
});

/** The lease of an AMI: declared before the image, and makes sure in the end that the image is gone with its snapshots. */
export const ImageLease = resourceContract("ci-images:ec2:ImageLease", {
  inputs: {
    region: v.string(),
    /** The name that the image is to have, in its first attempt. */
    name: v.string(),
    /** What image and snapshots carry: project, stack, distribution, recipe and role. */
    tags: v.pipe(textByName, v.minEntries(3)),
  },
  replaceOn: ["region", "tags"],
  addedLater: ["name"],
});

/** Removes AMIs that AWS gave up on, before others take their place. */
export const FailedImages = resourceContract("ci-images:ec2:FailedImages", {
  inputs: {
    region: v.string(),
    /** Their ids. */
    images: v.pipe(texts, v.minLength(1)),
  },
  replaceOn: ["region", "images"],
});

/** What the official AMI resources do not set. */
export const ImageAttributes = resourceContract("ci-images:ec2:ImageAttributes", {
  inputs: {
    region: v.string(),
    /** The AMI's id. */
    image: v.string(),
    /** For its snapshots. */
    tags: textByName,
    /** Seconds from its making until it is marked as deprecated. */
    deprecateAfter: v.optional(integer(60)),
    /** Whether it is protected against being deregistered. */
    protect: v.boolean(),
  },
  replaceOn: ["region", "image"],
  outputs: {
    /** The AMI's name. */
    name: v.string(),
    /** ISO 8601. */
    builtAt: v.string(),
    snapshots: texts,
  },
});

/** Marks a verified image as proven, which outputs and copies may name. */
export const Promotion = resourceContract("ci-images:ec2:Promotion", {
  inputs: { region: v.string(), image: v.string(), ...proof },
  replaceOn: ["region", "image"],
});

/** What an image is imported from; needed only to make it, not to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  recipe: v.string(),
  /** The AMI's name; unique in account and region. */
  name: v.string(),
  description: v.string(),
  /** Tags that its snapshot and it are found by when the state is lost. */
  lease: textByName,
  /** Seconds after which it may be swept away if it was not proven by then. */
  lifetime: v.number(),
  /** GiB of the root volumes of machines; the disk's own size where that is more. */
  diskSize: v.number(),
  bootMode,
  encrypted: v.boolean(),
  /** A KMS key's ARN. */
  kmsKey: v.optional(v.string()),
});
export type Importing = v.InferOutput<typeof importing>;

/** An AMI of a disk that was baked on this computer. */
export const ImportedImage = resourceContract("ci-images:ec2:ImportedImage", {
  inputs: {
    region: v.string(),
    /** What the image carries beside. */
    tags: textByName,
    importing: v.optional(importing),
  },
  replaceOn: ["region"],
  outputs: {
    /** The AMI's id. */
    image: v.string(),
    name: v.string(),
    builder: builderIdentity,
  },
});

/**
 * An image whose state was lost. The official resources can't import one (the provider requires a source instance, which AWS does
 * not remember), so this one keeps it under management.
 */
export const AdoptedImage = resourceContract("ci-images:ec2:AdoptedImage", {
  inputs: {
    region: v.string(),
    /** The AMI's id. */
    image: v.string(),
    /** What it carries: a copy whose making was killed may have none yet. Others that it has stay. */
    tags: textByName,
  },
  replaceOn: ["region", "image"],
});

/** Where AWS's own configuration points. */
export const configuredRegion = functionContract("ci-images:ec2:configuredRegion", {
  inputs: {},
  answer: { region: v.string() },
});

/** Where to look for a base image. */
export type BaseSource =
  /** This AMI and no other. */
  | { id: string }
  /** What the SSM parameter's value names. */
  | { parameter: string }
  /** The newest of the owner whose name fits; `*` and `?` stand for other characters. */
  | { owner: string; name: string };

/** Looks a base image up. */
export const resolveBase = functionContract("ci-images:ec2:resolveBase", {
  inputs: {
    region: v.string(),
    /** The distribution's id, for messages. */
    distribution: v.string(),
    architecture,
    source: objectOf<BaseSource>(),
  },
  answer: {
    /** The AMI's id. */
    id: v.string(),
    /** Its name. */
    description: v.string(),
    /** That it is deprecated. */
    notice: v.optional(v.string()),
  },
});

const surveyedImage = v.object({
  recipe: v.string(),
  proven: v.boolean(),
  base: v.object({ id: v.string(), description: v.string() }),
  /** ISO 8601. */
  builtAt: v.string(),
  /** The recipe's name. */
  name: v.string(),
  /** The AMI's id. */
  location: v.string(),
  /** The AMI's name. */
  imageName: v.string(),
  builder: v.optional(builderIdentity),
  /** Copies' ids by region. */
  copies: textByName,
});
export type SurveyedImage = v.InferOutput<typeof surveyedImage>;

/** What there is of the stack's images of one distribution, and of its builders. */
export const survey = functionContract("ci-images:ec2:survey", {
  inputs: {
    region: v.string(),
    /** Where copies are. */
    copyTo: texts,
    project: v.string(),
    stack: v.string(),
    distribution: v.string(),
    /** Whose builders, where the stack has several worker images of the distribution. */
    worker: v.optional(v.string()),
  },
  answer: {
    /** The newest first; also those that AWS still works on. */
    generations: v.array(surveyedImage),
    /** Recipes of the builders. */
    builders: texts,
    /** Those of builders that were sealed and stopped, and wait for their image. */
    sealed: texts,
    useless: listOf<UselessImage>(),
  },
});

/** Refuses to start a bake that can't end well, and says where it will be. */
export const preflight = functionContract("ci-images:ec2:preflight", {
  inputs: {
    region: filled,
    instanceType: v.string(),
    architecture,
    subnet: v.optional(v.string()),
    securityGroup: v.optional(v.string()),
    /** A key pair of the user's that has to be there. */
    keyName: v.optional(v.string()),
    /** Whether disks are to be encrypted; false asks whether they will be nevertheless. */
    encrypted: v.boolean(),
    /** Where copies of the image will be. */
    copyTo: texts,
    /** Whether others are to launch the image. */
    isShared: v.boolean(),
    /** How machines are to boot from the image. */
    bootMode: v.optional(bootMode),
    /** The base image, which decides how they do; undefined for an image that was baked elsewhere. */
    base: v.optional(v.string()),
  },
  answer: {
    vpc: v.string(),
    /** The subnet's addresses, or the whole VPC's where the stack names no subnet. */
    cidr: v.optional(v.string()),
    /** Ids of subnets that machines can start in: the stack's own, or default ones, the first of which is to be taken. */
    subnets: texts,
    notices: texts,
  },
});

/** Finds the EC2 Instance Connect Endpoint of a VPC: what its tunnels come from. */
export const instanceConnect = functionContract("ci-images:ec2:instanceConnect", {
  inputs: { region: v.string(), vpc: v.string() },
  answer: {
    /** Its security groups, which machines have to let in. */
    groups: texts,
    /** True where machines see the caller's address, not the endpoint's. */
    preservesClientIp: v.boolean(),
  },
});

/** Lists what is past its expiry, and removes it when asked to. */
export const sweep = functionContract("ci-images:ec2:sweep", {
  inputs: {
    ...sweepInputs,
    /** Where to look: the region that the stack bakes in, and those it copies to. */
    regions: texts,
  },
  answer: {
    leftovers: v.array(
      v.object({ kind: v.picklist(["machine", "image", "snapshot"]), region: v.string(), ...leftover }),
    ),
  },
});
