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
  architecture,
  builderIdentity,
  leaseInputs,
  leaseOutputs,
  leftover,
  ownerInputs,
  power,
  proof,
  reachableInputs,
  stepContract,
  surveyedBuilders,
  sweepInputs,
  way,
} from "../shared/contract.ts";
import type { UselessImage } from "./facts/blocking-image.ts";

/** In AWS's terms. `uefi-preferred` uses UEFI if the instance type supports it, else BIOS. */
const bootMode = v.picklist(["uefi", "legacy-bios", "uefi-preferred"]);
export type BootMode = v.InferOutput<typeof bootMode>;

/** The settings that a machine is launched with. */
const madeWith = v.object({
  instanceType: v.string(),
  /** Whether to ask for spot capacity first. */
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
    /** Whether the stack's state has the machine; an unrecorded one is replaced. */
    recorded: v.boolean(),
    /** `on` replaces a spot machine that AWS stopped. */
    power,
    /** Fixed when the lease is made: a change applies to the next machine. */
    madeWith,
  },
  replaceOn: ["region", "prefix", "labels"],
  addedLater: ["power", "madeWith"],
  outputs: leaseOutputs,
});

/** Whether there is spot capacity. A machine keeps the market it was launched in: changes apply to the next one. */
export const Market = resourceContract("ci-images:ec2:Market", {
  inputs: {
    region: v.string(),
    /** The machine's name, from its lease: the end of the lease removes a leftover probe. */
    machine: v.string(),
    /** The AMI that the machine will boot. */
    image: v.string(),
    /** From the lease. */
    madeWith: v.omit(madeWith, ["vpc", "tags"]),
    /** The probe's tags. */
    tags: textByName,
  },
  replaceOn: ["region", "machine"],
  outputs: { market: v.picklist(["spot", "on-demand"]) },
});

const machine = {
  region: v.string(),
  /** The machine's name, from its lease. */
  machine: v.string(),
  /** The instance's id: another instance needs another step. */
  instance: v.string(),
};

/** Records on the instance that sealing begins. */
export const SealMark = stepContract("ci-images:ec2:SealMark", machine);

/** Stops the sealed builder through the API, so that its disk is consistent when it is imaged. */
export const Stop = stepContract("ci-images:ec2:Stop", machine);

/** Ends a machine, and everything that belongs to it, in the same `pulumi up` that made it. */
export const Retirement = stepContract("ci-images:ec2:Retirement", machine);

/** Waits until a machine answers by SSH, and outputs its address, port and user. */
export const Reachable = resourceContract("ci-images:ec2:Reachable", {
  inputs: {
    ...machine,
    /** Which of its addresses to use. */
    address: v.picklist(["public", "private"]),
    /** The host of a port forward to use instead. */
    forward: v.optional(v.string()),
    ...reachableInputs,
    /** A machine that is off is not waited for. */
    power,
  },
  replaceOn: ["region", "machine", "instance", "hostKey"],
  outputs: {
    /** Its current address; the last one while it is off. */
    host: v.string(),
    ...way,
  },
  secrets: ["privateKey", "proxy"],
});

/** The lease of an AMI: made before the image; its end removes the image and its snapshots. */
export const ImageLease = resourceContract("ci-images:ec2:ImageLease", {
  inputs: {
    region: v.string(),
    /** The image's name in the first attempt. */
    name: v.string(),
    /** The tags of the image and its snapshots: project, stack, distribution, recipe and role. */
    tags: v.pipe(textByName, v.minEntries(3)),
  },
  replaceOn: ["region", "tags"],
  addedLater: ["name"],
});

/** Removes AMIs that AWS failed to make, before others take their place. */
export const FailedImages = stepContract("ci-images:ec2:FailedImages", {
  region: v.string(),
  /** Their ids. */
  images: v.pipe(texts, v.minLength(1)),
});

/**
 * Attributes that the official AMI resources do not set: IMDSv2 only for machines booted from the image, tags on its
 * snapshots, deprecation and protection.
 */
export const ImageAttributes = resourceContract("ci-images:ec2:ImageAttributes", {
  inputs: {
    region: v.string(),
    /** The AMI's id. */
    image: v.string(),
    /** Its snapshots' tags. */
    tags: textByName,
    /** Seconds from its creation until it is marked as deprecated. */
    deprecateAfter: v.optional(integer(60)),
    /** Whether it is protected from being deregistered. */
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

/** Marks a verified image as proven. Only proven images are copied and appear in outputs. */
export const Promotion = resourceContract("ci-images:ec2:Promotion", {
  inputs: { region: v.string(), image: v.string(), ...proof },
  replaceOn: ["region", "image"],
});

/** How to make an imported image; not needed to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  recipe: v.string(),
  /** The AMI's name; unique in account and region. */
  name: v.string(),
  description: v.string(),
  /** Tags to find it and its snapshot by if the state is lost. */
  lease: textByName,
  /** Seconds after which a sweep may remove it, unless it is proven. */
  lifetime: v.number(),
  /** GiB of the machines' root volumes; the disk's own size if that is larger. */
  diskSize: v.number(),
  bootMode,
  encrypted: v.boolean(),
  /** A KMS key's ARN. */
  kmsKey: v.optional(v.string()),
});
export type Importing = v.InferOutput<typeof importing>;

/** An AMI made from a disk that was baked on this computer. */
export const ImportedImage = resourceContract("ci-images:ec2:ImportedImage", {
  inputs: {
    region: v.string(),
    /** More tags for the image. */
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
 * An image that the state has lost. The official resources can't import one (the provider requires a source instance,
 * which AWS doesn't remember), so this one manages it.
 */
export const AdoptedImage = resourceContract("ci-images:ec2:AdoptedImage", {
  inputs: {
    region: v.string(),
    /** The AMI's id. */
    image: v.string(),
    /** Tags to add: a copy may have none yet if the copying was killed. Its other tags stay. */
    tags: textByName,
  },
  replaceOn: ["region", "image"],
});

/** The region of the AWS configuration. */
export const configuredRegion = functionContract("ci-images:ec2:configuredRegion", {
  inputs: {},
  answer: { region: v.string() },
});

/** Where to look for a base image. */
export type BaseSource =
  /** This AMI and no other. */
  | { id: string }
  /** The AMI that an SSM parameter names. */
  | { parameter: string }
  /** The owner's newest whose name matches; `*` and `?` are wildcards. */
  | { owner: string; name: string };

/** Finds a base image. */
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
    /** Warns that it is deprecated. */
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

/** The stack's images and builders of one distribution. */
export const survey = functionContract("ci-images:ec2:survey", {
  inputs: {
    region: v.string(),
    /** Regions that have copies. */
    copyTo: texts,
    ...ownerInputs,
  },
  answer: {
    /** Newest first; includes images that AWS is still making. */
    generations: v.array(surveyedImage),
    ...surveyedBuilders,
    useless: listOf<UselessImage>(),
  },
});

/** Refuses a bake that can't succeed, and reports where it will run. */
export const preflight = functionContract("ci-images:ec2:preflight", {
  inputs: {
    region: filled,
    instanceType: v.string(),
    architecture,
    subnet: v.optional(v.string()),
    securityGroup: v.optional(v.string()),
    /** The user's key pair, which must exist. */
    keyName: v.optional(v.string()),
    /** Whether disks should be encrypted; if false, checks whether they will be anyway. */
    encrypted: v.boolean(),
    /** Regions that get copies of the image. */
    copyTo: texts,
    /** Whether others will launch the image. */
    isShared: v.boolean(),
    /** How machines should boot from the image. */
    bootMode: v.optional(bootMode),
    /** The base image, which determines the boot mode; undefined for an image that was baked elsewhere. */
    base: v.optional(v.string()),
    /** Whether a builder will be started from it. */
    startsFromBase: v.optional(v.boolean()),
  },
  answer: {
    vpc: v.string(),
    /** The subnet's addresses, or the whole VPC's if the stack names no subnet. */
    cidr: v.optional(v.string()),
    /** Ids of subnets that machines can start in: the stack's own or default ones. The first one is used. */
    subnets: texts,
    notices: texts,
  },
});

/** Finds the EC2 Instance Connect Endpoint of a VPC, from which tunnels reach its machines. */
export const instanceConnect = functionContract("ci-images:ec2:instanceConnect", {
  inputs: { region: v.string(), vpc: v.string() },
  answer: {
    /** Its security groups, which machines must let in. */
    groups: texts,
    /** Whether machines see the caller's address rather than the endpoint's. */
    preservesClientIp: v.boolean(),
  },
});

/** Lists what has expired, and removes it if asked. */
export const sweep = functionContract("ci-images:ec2:sweep", {
  inputs: {
    ...sweepInputs,
    /** Regions to look in: the one where the stack bakes, and those it copies to. */
    regions: texts,
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["machine", "image", "snapshot"]),
        id: v.string(),
        region: v.string(),
        /** A description for people. */
        description: v.string(),
        /** When it expired, ISO 8601; some leftovers have no expiry. */
        expired: v.optional(v.string()),
        ...leftover,
      }),
    ),
  },
});
