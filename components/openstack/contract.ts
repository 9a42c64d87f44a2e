// Contracts of the resources and functions of OpenStack. Their tokens say `rackspace`, because existing states do.
import * as v from "valibot";
import {
  filled,
  functionContract,
  integer,
  objectOf,
  resourceContract,
  textByName,
  texts,
} from "../../common/contract.ts";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import {
  architecture,
  builderIdentity,
  expiredLeftover,
  leaseInputs,
  leaseOutputs,
  ownerInputs,
  power,
  proof,
  reachableInputs,
  reached,
  stepContract,
  surveyedBuilders,
  sweepInputs,
  way,
} from "../shared/contract.ts";

/** The lease of a server. */
export const Lease = resourceContract("ci-images:rackspace:Lease", {
  inputs: {
    region: filled,
    ...leaseInputs,
    /** More metadata: the stack setting `tags`. */
    tags: textByName,
  },
  replaceOn: ["region", "prefix", "labels"],
  outputs: {
    ...leaseOutputs,
    /** The server's metadata. */
    metadata: textByName,
  },
});

/** The lease of an import: made before the upload. Its end removes an unproven image. */
export const ImportLease = resourceContract("ci-images:rackspace:ImportLease", {
  inputs: {
    region: filled,
    /** The first part of the lease's name. */
    prefix: filled,
    /** Labels to find the image by if the state is lost. */
    labels: leaseInputs.labels,
    /** Seconds after which a sweep may remove the image, unless it is proven. */
    lifetime: leaseInputs.lifetime,
  },
  replaceOn: ["region", "prefix", "labels"],
  outputs: {
    /** The lease's name, never used twice; the image has it as label `machine` until it is proven. */
    machine: v.string(),
    /** In the format of `formatExpiry`. */
    expires: v.string(),
  },
});

const server = {
  region: v.string(),
  /** The server's id. */
  server: v.string(),
};

/**
 * Waits until a server accepts logins, after every start, and outputs the way in. Saves its console if it never does.
 */
export const Reachable = resourceContract("ci-images:rackspace:Boot", {
  inputs: {
    ...server,
    host: filled,
    ...reachableInputs,
    /** Seconds until it must answer. */
    deadline: integer(1),
    /** A server that is off is not waited for. */
    power,
  },
  replaceOn: ["region", "server"],
  outputs: way,
  secrets: ["privateKey", "proxy"],
});

/** Records on the server that sealing begins. */
export const SealMark = stepContract("ci-images:rackspace:SealMark", server);

/** Shuts the sealed server down through the API, and waits until it is off. */
export const Stop = stepContract("ci-images:rackspace:Stop", server);

/** Deletes the server in the same `pulumi up` that made it, and waits until it is gone. */
export const Retirement = stepContract("ci-images:rackspace:Retirement", server);

/** How to make an image from a server; not needed to keep it. */
const making = v.object({
  /** The id of the sealed and stopped server. */
  server: v.string(),
  /** The name of the server's lease, whose end removes the image unless it is proven. */
  machine: v.string(),
  /** The base image's id. */
  base: v.string(),
  /** When a sweep may remove the image, unless it is proven; in the format of `formatExpiry`. */
  expires: v.string(),
  /** The parts of the recipe hash, to explain a later change. */
  plan: objectOf<PlanDescription>(),
  /** The builder's identity, for the verification. */
  builder: builderIdentity,
});
export type Making = v.InferOutput<typeof making>;

/** How to make an imported image; not needed to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  /** The name of the import's lease, whose end removes the image unless it is proven. */
  machine: v.string(),
  /** The base image's id on this computer. */
  base: v.string(),
  /** As in `making`. */
  expires: v.string(),
  plan: objectOf<PlanDescription>(),
  /** The format to upload. */
  format: v.picklist(["qcow2", "raw"]),
  /** Properties that describe the disk to the hypervisor; `properties` take precedence. */
  defaults: textByName,
});
export type Importing = v.InferOutput<typeof importing>;

/** An image in Glance, made by Nova from a stopped server, or uploaded from this computer. */
export const ServerImage = resourceContract("ci-images:rackspace:ServerImage", {
  inputs: {
    region: v.string(),
    project: v.string(),
    stack: v.string(),
    distribution: v.string(),
    /** The recipe hash, which distinguishes images. */
    recipe: v.string(),
    /** The recipe's name. */
    name: v.string(),
    /** More properties: the stack's tags, and hints for the hypervisor (`hw_disk_bus`). */
    properties: v.record(v.string(), v.pipe(v.string(), v.maxLength(255))),
    /** The worker image, if the stack has several of the distribution. */
    worker: v.optional(v.string()),
    making: v.optional(making),
    importing: v.optional(importing),
  },
  replaceOn: ["region", "project", "stack", "distribution", "recipe"],
  outputs: {
    /** The image's id in Glance. */
    image: v.string(),
    /** Its name in Glance. */
    imageName: v.string(),
    /** Its size; 0 for an image made of volume snapshots. */
    bytes: integer(),
    /** ISO 8601. */
    builtAt: v.string(),
    builder: builderIdentity,
  },
});

const imageInputs = {
  region: v.string(),
  /** The image's id. */
  image: v.string(),
};

/** Checks the image again once its server is gone. */
export const ImageLook = resourceContract("ci-images:rackspace:ImageLook", {
  inputs: imageInputs,
  replaceOn: ["region", "image"],
});

/** Marks a verified image as proven. Only proven images appear in outputs. */
export const Promotion = resourceContract("ci-images:rackspace:Promotion", {
  inputs: { ...imageInputs, ...proof },
  replaceOn: ["region", "image"],
});

const visibility = v.picklist(["private", "shared", "community", "public"]);

/** Who may use an image, besides its project. */
export const Sharing = resourceContract("ci-images:rackspace:Sharing", {
  inputs: {
    ...imageInputs,
    visibility,
    /** Ids of projects that see a `shared` image once they accept it. */
    members: texts,
  },
  replaceOn: ["region", "image"],
});

/** Logs in and lists the regions. */
export const regions = functionContract("ci-images:rackspace:regions", {
  inputs: {},
  answer: {
    /** Regions with a compute service. */
    regions: texts,
    /** The region that the credentials name, or the only one. */
    usual: v.optional(v.string()),
    /** Keystone's address, if the official provider can't use the one in OS_AUTH_URL. */
    authUrl: v.optional(v.string()),
    notices: texts,
  },
});

/** How to recognize a distribution's base image. */
const baseDescription = v.object({
  /** For each fact that a name must state, the words that can state it: `[["debian"], ["12", "bookworm"]]`. */
  needed: v.array(texts),
  /** More words that may be in a name: `bookworm`, `lts`. Numbers are always allowed. */
  words: texts,
  /** Values of Glance's common properties; they decide if no name matches. */
  properties: v.object({ os_distro: texts, os_version: texts }),
});
export type BaseDescription = v.InferOutput<typeof baseDescription>;

/** Finds the base image. */
export const resolveBase = functionContract("ci-images:rackspace:resolveBase", {
  inputs: {
    region: v.string(),
    /** The distribution's id, for messages. */
    distribution: v.string(),
    base: baseDescription,
    architecture,
    /** The user's own choice instead. */
    chosen: v.optional(v.object({ id: v.optional(v.string()), name: v.optional(v.string()) })),
    /** Where the stack's file has the settings: `openstack`; `rackspace` by default. */
    section: v.optional(v.string()),
  },
  answer: { id: v.string(), description: v.string(), notice: v.optional(v.string()) },
});

/** The stack's images of one distribution, newest first, and its builders. */
export const survey = functionContract("ci-images:rackspace:survey", {
  inputs: {
    region: v.string(),
    ...ownerInputs,
  },
  answer: {
    images: v.array(
      v.object({
        id: v.string(),
        recipe: v.string(),
        name: v.string(),
        builtAt: v.string(),
        proven: v.boolean(),
        plan: v.optional(objectOf<PlanDescription>()),
      }),
    ),
    ...surveyedBuilders,
  },
});

const network = v.object({ id: v.string(), name: v.string() });

/** Refuses a bake that can't succeed in this region, and resolves names to ids. */
export const preflight = functionContract("ci-images:rackspace:preflight", {
  inputs: {
    region: v.string(),
    /** Name or id of the builder's flavor. */
    flavor: v.optional(v.string()),
    /** Names or ids of the networks; we log in through the first one. */
    networks: texts,
    /** Name or id of the network that floating addresses come from. */
    floatingNetwork: v.optional(v.string()),
    /** GiB of the volume to boot from. */
    volumeSize: v.optional(v.number()),
    /** The base image's id. */
    base: v.optional(v.string()),
    /** The user's key pair, and the public key that it must hold. */
    keyPair: v.optional(v.object({ name: v.string(), publicKey: v.string() })),
    /** Whether the builder already exists, so that it needs no more quota. */
    occupied: v.optional(v.boolean()),
    /** Where the stack's file has the settings: `openstack`; `rackspace` by default. */
    section: v.optional(v.string()),
  },
  answer: {
    /** The flavor's id. */
    flavor: v.string(),
    networks: v.array(network),
    floatingNetwork: v.optional(network),
    /** Whether the cloud has the key pair. */
    hasKeyPair: v.boolean(),
    /** How machines are reached; without networks if the project can't see them. */
    reached: v.object(reached),
  },
});

/** Lists what has expired, and removes it if asked. */
export const sweep = functionContract("ci-images:rackspace:sweep", {
  inputs: {
    ...sweepInputs,
    stack: v.string(),
    regions: texts,
    /** The longest lifetime of the stack's machines, in seconds. */
    lifetime: v.number(),
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["server", "image", "key pair", "floating address", "port", "security group"]),
        // The id of a key pair is its name.
        ...expiredLeftover,
        region: v.string(),
      }),
    ),
  },
});
