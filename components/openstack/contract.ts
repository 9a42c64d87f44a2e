// Contracts of the resources and functions of OpenStack. Their tokens say `rackspace`, because existing
// states do.
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
  builderIdentity,
  leaseInputs,
  leaseOutputs,
  power,
  proof,
  reachableInputs,
  reached,
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

/** The lease of an import: made before the upload and dropped after it, so that no half-made image stays. */
export const ImportLease = resourceContract("ci-images:rackspace:ImportLease", {
  inputs: {
    region: filled,
    /** The first part of the lease's name. */
    prefix: filled,
    /** What the image is found by when the state is lost. */
    labels: leaseInputs.labels,
    /** Seconds after which an image that was not proven by then may be swept away. */
    lifetime: leaseInputs.lifetime,
  },
  replaceOn: ["region", "prefix", "labels"],
  outputs: {
    /** Its name, never used twice; images carry it as label `machine` until they are proven. */
    machine: v.string(),
    /** As `formatExpiry` of common/labels.ts writes it. */
    expires: v.string(),
  },
});

/** The first answer of a server, whenever it is started, and how it lets us in. Saves its console when it never answers. */
export const Reachable = resourceContract("ci-images:rackspace:Boot", {
  inputs: {
    region: v.string(),
    /** The server's id. */
    server: v.string(),
    host: filled,
    ...reachableInputs,
    /** Seconds that it may take. */
    deadline: integer(1),
    /** Nobody waits for a server that is off. */
    power,
  },
  replaceOn: ["region", "server"],
  outputs: way,
  secrets: ["privateKey", "proxy"],
});

const step = {
  inputs: {
    region: v.string(),
    /** The server's id. */
    server: v.string(),
  },
  replaceOn: ["region", "server"],
} as const;

/** Notes on the server that sealing begins. */
export const SealMark = resourceContract("ci-images:rackspace:SealMark", step);

/** Shuts the sealed server down through the API and waits until it is. */
export const Stop = resourceContract("ci-images:rackspace:Stop", step);

/** Ends the server inside the same `pulumi up` that made it, and waits until it is gone. */
export const Retirement = resourceContract("ci-images:rackspace:Retirement", step);

/** What an image is made from and with; needed only to make it, not to keep it. */
const making = v.object({
  /** The id of the sealed and stopped server. */
  server: v.string(),
  /** The name of the server's lease, which drops the image unless it is proven. */
  machine: v.string(),
  /** The base image's id. */
  base: v.string(),
  /** When an image that was not proven by then may be swept away; as `formatExpiry` of common/labels.ts writes it. */
  expires: v.string(),
  /** What the recipe hash is made of, to explain a later change by. */
  plan: objectOf<PlanDescription>(),
  /** What the builder was, for the verification. */
  builder: builderIdentity,
});
export type Making = v.InferOutput<typeof making>;

/** What an image is imported from; needed only to make it, not to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  /** The name of the import's lease, which drops the image unless it is proven. */
  machine: v.string(),
  /** The base image's id, as this computer knows it. */
  base: v.string(),
  /** As of an image that is made. */
  expires: v.string(),
  plan: objectOf<PlanDescription>(),
  /** What Glance gets. */
  format: v.picklist(["qcow2", "raw"]),
  /** What the hypervisor is to know of the disk; `properties` win. */
  defaults: textByName,
});
export type Importing = v.InferOutput<typeof importing>;

/** An image that Glance keeps: made by Nova from a stopped server, or uploaded from this computer. */
export const ServerImage = resourceContract("ci-images:rackspace:ServerImage", {
  inputs: {
    region: v.string(),
    project: v.string(),
    stack: v.string(),
    distribution: v.string(),
    /** The recipe hash: what makes one image differ from another. */
    recipe: v.string(),
    /** The recipe's name. */
    name: v.string(),
    /** More properties: the stack's tags, and what the hypervisor is to know (`hw_disk_bus`). */
    properties: v.record(v.string(), v.pipe(v.string(), v.maxLength(255))),
    /** The worker image, where the stack has several of the distribution. */
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
    /** Its size; 0 for an image that is a set of volume snapshots. */
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

/** A second look at an image, when its server is gone. */
export const ImageLook = resourceContract("ci-images:rackspace:ImageLook", {
  inputs: imageInputs,
  replaceOn: ["region", "image"],
});

/** Makes a verified image a proven one, which outputs may name. */
export const Promotion = resourceContract("ci-images:rackspace:Promotion", {
  inputs: { ...imageInputs, ...proof },
  replaceOn: ["region", "image"],
});

const visibility = v.picklist(["private", "shared", "community", "public"]);

/** Who may use an image beside its project. */
export const Sharing = resourceContract("ci-images:rackspace:Sharing", {
  inputs: {
    ...imageInputs,
    visibility,
    /** Ids of projects that see a `shared` image once they accept it. */
    members: texts,
  },
  replaceOn: ["region", "image"],
});

/** Logs in, and says which regions there are. */
export const regions = functionContract("ci-images:rackspace:regions", {
  inputs: {},
  answer: {
    /** Those that have servers. */
    regions: texts,
    /** The one that the credentials name, or the only one. */
    usual: v.optional(v.string()),
    /** Keystone's address, where the official provider has to be told: it can't use the one in OS_AUTH_URL. */
    authUrl: v.optional(v.string()),
    notices: texts,
  },
});

/** How a distribution's base image is recognized. */
const baseDescription = v.object({
  /** For each fact that a name must state, the words that state it: `[["debian"], ["12", "bookworm"]]`. */
  needed: v.array(texts),
  /** Further words that may be in a name: `bookworm`, `lts`. Numbers may always be. */
  words: texts,
  /** Values of Glance's common properties, by which an image is recognized when no name fits. */
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
    architecture: v.picklist(["amd64", "arm64"]),
    /** The user's own choice instead. */
    chosen: v.optional(v.object({ id: v.optional(v.string()), name: v.optional(v.string()) })),
    /** Where the stack's file has the settings: `openstack`; `rackspace` by default. */
    section: v.optional(v.string()),
  },
  answer: { id: v.string(), description: v.string(), notice: v.optional(v.string()) },
});

/** The stack's images of one distribution, the newest first, and its builders. */
export const survey = functionContract("ci-images:rackspace:survey", {
  inputs: {
    region: v.string(),
    project: v.string(),
    stack: v.string(),
    distribution: v.string(),
    /** Whose builders, where the stack has several worker images of the distribution. */
    worker: v.optional(v.string()),
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
    /** Recipe hashes of the builders that are there. */
    builders: texts,
    /** Of those that were sealed and stopped, and whose time is not up. */
    sealed: texts,
  },
});

const network = v.object({ id: v.string(), name: v.string() });

/** Refuses to start a bake that can't end well in this region. */
export const preflight = functionContract("ci-images:rackspace:preflight", {
  inputs: {
    region: v.string(),
    /** Name or id of the builder's flavor. */
    flavor: v.optional(v.string()),
    /** Names or ids of the networks; the first is the one to log in by. */
    networks: texts,
    /** Name or id of the network that floating addresses come from. */
    floatingNetwork: v.optional(v.string()),
    /** GiB of the volume to boot from. */
    volumeSize: v.optional(v.number()),
    /** The base image's id. */
    base: v.optional(v.string()),
    /** A key pair of the user's, and the public key that it must hold. */
    keyPair: v.optional(v.object({ name: v.string(), publicKey: v.string() })),
    /** True where the builder is there already, and needs no room any more. */
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
    /** How machines are reached. No networks where the project does not see those of the addresses. */
    reached: v.object(reached),
  },
});

/** Lists what is past its expiry, and removes it when asked to. */
export const sweep = functionContract("ci-images:rackspace:sweep", {
  inputs: {
    ...sweepInputs,
    stack: v.string(),
    regions: texts,
    /** Seconds that a machine of the stack may live. */
    lifetime: v.number(),
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["server", "image", "key pair", "floating address", "port", "security group"]),
        /** A key pair's name is its id. */
        id: v.string(),
        name: v.string(),
        /** When it should have ended, ISO 8601. */
        expired: v.string(),
        region: v.string(),
        /** Why it could not be removed. */
        problem: v.optional(v.string()),
      }),
    ),
  },
});
