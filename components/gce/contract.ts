// Contracts of the resources and functions of `gce`.
import * as v from "valibot";
import {
  functionContract,
  integer,
  listOf,
  objectOf,
  resourceContract,
  textByName,
  texts,
  type AnswerOf,
} from "../../common/contract.ts";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import {
  architecture,
  builderIdentity,
  expiredLeftover,
  leaseInputs,
  leaseOutputs,
  neededLabels,
  proof,
  reachableInputs,
  stepContract,
  surveyedBuilders,
  sweepInputs,
  way,
  type BuilderIdentity,
} from "../shared/contract.ts";

/** The settings that a machine is made with. */
const madeWith = v.object({
  machineType: v.string(),
  /** In GB. */
  diskSize: v.number(),
  diskType: v.string(),
  network: v.string(),
  subnetwork: v.optional(v.string()),
  publicAddress: v.boolean(),
  networkTags: texts,
  serviceAccount: v.optional(v.string()),
  spot: v.boolean(),
  secureBoot: v.boolean(),
  /** The stack's own labels. */
  tags: textByName,
});
export type MadeWith = v.InferOutput<typeof madeWith>;

/** The lease of a machine. */
export const Lease = resourceContract("ci-images:gce:Lease", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    zone: v.string(),
    ...leaseInputs,
    prefix: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,48}$/)),
    /** Fixed when the lease is made: a change applies to the next machine. */
    madeWith,
    /** The image that a trial machine boots: another image needs another machine. */
    boots: v.optional(v.string()),
    /** The name of the image to be made from the machine; removed with the lease unless it was verified. */
    image: v.optional(v.string()),
    /**
     * Whether the state has the machine. An unrecorded one is replaced: it would block the official provider from
     * making a machine of the same name, and a retired one that lost its record in a refresh would be started again.
     */
    recorded: v.boolean(),
    /** Whether the state says that the machine runs: the official provider does not start one that somebody stopped. */
    runs: v.boolean(),
  },
  replaceOn: ["project", "zone", "prefix", "labels", "boots"],
  outputs: leaseOutputs,
});

const place = {
  /** The project's id. */
  project: v.string(),
  zone: v.string(),
  /** The name of the instance and of its boot disk. */
  machine: v.string(),
};
const instance = {
  ...place,
  /** The instance's id: another machine of the same name needs another step. */
  instance: v.string(),
};

/**
 * Waits until a machine answers by SSH with the host key that it was given, and outputs the way in. Nothing logs in
 * before: on images without cloud-init, sshd starts with another key, which a script then replaces.
 */
export const Reachable = resourceContract("ci-images:gce:Arrival", {
  inputs: {
    ...instance,
    /** Its address when the official resource last looked, or the host of a port forward. */
    host: v.string(),
    /** Which of its addresses to use; undefined if it is reached through a port forward. */
    address: v.optional(v.picklist(["public", "private"])),
    ...reachableInputs,
    /** Seconds to wait for it. */
    patience: integer(1),
    /** Whether it should run. */
    awake: v.boolean(),
  },
  replaceOn: ["project", "zone", "machine", "instance"],
  outputs: {
    /** Its current address: an ephemeral one changes with every start. Missing in states of older versions. */
    currentHost: v.optional(v.string()),
    ...way,
  },
  secrets: ["privateKey", "proxy"],
});

/** Records on the instance that sealing begins. */
export const SealMark = stepContract("ci-images:gce:SealMark", instance);

/**
 * Stops the sealed builder cleanly and deletes the instance, but keeps its boot disk: Google makes an image only from a
 * disk that no running instance uses.
 */
export const Stop = stepContract("ci-images:gce:Retirement", instance);

/** Ends a machine, with its disk and firewall rules, in the same `pulumi up` that made it. */
export const Retirement = stepContract("ci-images:gce:TrialRetirement", instance);

/** Retires a builder: deletes its boot disk, the only part that is left, once the image exists. */
export const DiskDrop = resourceContract("ci-images:gce:DiskDrop", {
  inputs: {
    ...place,
    /** The image made from the disk. The disk is deleted only after it exists. */
    image: v.string(),
  },
  replaceOn: ["project", "zone", "machine"],
});

/** Pulumi's project and stack. */
const owner = v.object({ project: neededLabels.project, stack: neededLabels.stack });

/** Frees an image's name: removes an earlier image that failed, or whose creation was abandoned. */
export const Clearing = resourceContract("ci-images:gce:Clearing", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The name of the image to be made. */
    image: v.string(),
    /** The instance id of its builder. */
    instance: v.string(),
    /** Whose image it will be; an image of others is not removed. */
    owner: v.optional(owner),
  },
  replaceOn: ["project", "image", "instance"],
});

/** Marks an image as verified. Only verified images appear in outputs. */
export const Promotion = resourceContract("ci-images:gce:Promotion", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The image's name. */
    image: v.string(),
    /** When it was made: a new image of the same name needs its own promotion. */
    builtAt: v.string(),
    ...proof,
  },
  replaceOn: ["project", "image", "builtAt"],
});

/** The membership of a verified image in a family. A family resolves to its newest member. */
export const Family = resourceContract("ci-images:gce:Family", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The image's name. */
    image: v.string(),
    /** The family's name. */
    family: v.pipe(v.string(), v.regex(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)),
  },
  replaceOn: ["project", "image"],
});

/** The lease of an import: made before it. Its end removes the object, and the image unless it was proven. */
export const ImportLease = resourceContract("ci-images:gce:ImportLease", {
  inputs: {
    project: v.string(),
    bucket: v.string(),
    object: v.string(),
    /** The name of the image to be made. */
    image: v.string(),
    /** Seconds after which a sweep may remove the image, unless it is proven. */
    lifetime: leaseInputs.lifetime,
  },
  replaceOn: ["project", "bucket", "object", "image"],
  outputs: { expires: v.string() },
});

/** How to make an imported image; not needed to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  recipe: v.string(),
  bucket: v.string(),
  /** The object that holds the disk during the import. */
  object: v.string(),
  /** The description's line for people. */
  line: v.string(),
  /** The description's facts, without the builder's identity and the expiry. */
  facts: objectOf<object>(),
  /** When a sweep may remove the image, unless it is proven. */
  expires: v.string(),
  labels: textByName,
  guestOsFeatures: texts,
  storageLocations: texts,
});
export type Importing = v.InferOutput<typeof importing>;

/** An image made from a disk that was baked on this computer. */
export const ImportedImage = resourceContract("ci-images:gce:ImportedImage", {
  inputs: {
    project: v.string(),
    /** The image's name. */
    name: v.string(),
    importing: v.optional(importing),
  },
  replaceOn: ["project", "name"],
  outputs: {
    selfLink: v.string(),
    creationTimestamp: v.string(),
    diskSizeGb: v.number(),
    builder: builderIdentity,
  },
});

/** The project we work in, and our identity there. */
export const account = functionContract("ci-images:gce:account", {
  inputs: { project: v.optional(v.string()) },
  answer: { project: v.string(), who: v.string() },
});

/** Where to look for a base image. */
export type BaseSource =
  | { kind: "family"; project: string; family: string }
  /** @property image A name in `project`. */
  | { kind: "image"; project: string; image: string };

/** Pins the base image. */
export const resolveBase = functionContract("ci-images:gce:resolveBase", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    source: objectOf<BaseSource>(),
    architecture,
    /** The distribution's id, for messages. */
    distribution: v.string(),
    /** The id of the base to keep. */
    pinned: v.optional(v.string()),
  },
  answer: {
    /** `projects/P/global/images/NAME@NUMBER`: decides the content. */
    id: v.string(),
    /** For people: the image's name and its project. */
    description: v.string(),
    /** A notice for the user. */
    notice: v.optional(v.string()),
    /** The source of a disk: `projects/P/global/images/NAME`. */
    image: v.string(),
    /** Guest OS features: `UEFI_COMPATIBLE`, ... */
    features: texts,
    /** The smallest disk that fits it, in GB. */
    sizeGb: v.number(),
  },
});
export type FoundBase = AnswerOf<typeof resolveBase>;

/** The facts in the description of one of our images. */
export interface Facts {
  recipe: string;
  name: string;
  base: { id: string; description: string };
  builder: BuilderIdentity;
  plan?: PlanDescription;
  /** When it expires unless it is verified by then; in the format of labels. */
  expires?: string;
}

/** One of our images. */
const surveyedImage = v.object({
  /** The image's name. */
  image: v.string(),
  selfLink: v.string(),
  /** ISO 8601. */
  builtAt: v.string(),
  proven: v.boolean(),
  facts: objectOf<Facts>(),
});
export type SurveyedImage = v.InferOutput<typeof surveyedImage>;

/** The stack's images of one distribution, and its builders. */
export const survey = functionContract("ci-images:gce:survey", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The owner: Pulumi project, stack and distribution. */
    owner: v.object({
      project: neededLabels.project,
      stack: neededLabels.stack,
      distribution: neededLabels.distribution,
    }),
    /** The worker image whose builders to list, if the stack has several of the distribution. */
    worker: v.optional(v.string()),
  },
  answer: {
    /** Newest first. */
    images: v.array(surveyedImage),
    ...surveyedBuilders,
    /** Images that failed or are not finished: `FAILED`, `PENDING`. */
    unfinished: listOf<{ image: string; status: string }>(),
  },
});

/** Refuses a bake that can't succeed, and reports the networks of the machines' addresses. */
export const preflight = functionContract("ci-images:gce:preflight", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    zone: v.string(),
    machineType: v.string(),
    architecture,
    /** A network's name in the project; undefined if the stack names a subnetwork or a network of another project. */
    network: v.optional(v.string()),
    /** The network of the machines' private addresses, if they are reached by those. */
    inside: v.optional(v.object({ network: v.string(), subnetwork: v.optional(v.string()) })),
    /** The name of the image to be made, and whose it will be; undefined at stages that make none. */
    image: v.optional(v.object({ name: v.string(), owner })),
    /** What the builder needs; undefined if it already exists. */
    room: v.optional(
      v.object({
        /** GB. */
        diskSize: v.number(),
        diskType: v.string(),
        spot: v.boolean(),
        publicAddress: v.boolean(),
        firewall: v.boolean(),
      }),
    ),
  },
  answer: { ranges: v.optional(texts) },
});

/** Lists what has expired, and removes it if asked. */
export const sweep = functionContract("ci-images:gce:sweep", {
  inputs: {
    ...sweepInputs,
    stack: v.string(),
    /** The Google Cloud project; by default, that of the environment or the credentials. */
    place: v.optional(v.string()),
    /** The bucket of the stack's imports. */
    bucket: v.optional(v.string()),
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["instance", "disk", "image", "firewall rule", "object"]),
        // The id is the path below the project; of an object, its name in the bucket.
        ...expiredLeftover,
        /** The Google Cloud project. */
        place: v.string(),
      }),
    ),
  },
});
