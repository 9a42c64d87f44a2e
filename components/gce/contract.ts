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
  builderIdentity,
  leaseInputs,
  leaseOutputs,
  neededLabels,
  proof,
  reachableInputs,
  sweepInputs,
  way,
  type BuilderIdentity,
} from "../shared/contract.ts";

const architecture = v.picklist(["amd64", "arm64"]);

/** What a machine is made with. */
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
    /** It is kept as it was when the lease was made: a change counts for the next machine. */
    madeWith,
    /** Which image of ours it boots from: another one is another machine. */
    boots: v.optional(v.string()),
    /** The name of the image that is to be made with the machine; dropped with the lease unless it was verified. */
    image: v.optional(v.string()),
    /**
     * True when the state has the machine. One that is there and has no record would be in the way of the one that the official
     * provider is to make under the same name; and a retired one, whose record went with a refresh, would be started again.
     */
    recorded: v.boolean(),
    /** True when the state says that the machine runs: the official provider does not start one that somebody else stopped. */
    runs: v.boolean(),
  },
  replaceOn: ["project", "zone", "prefix", "labels", "boots"],
  outputs: leaseOutputs,
});

const place = {
  /** The project's id. */
  project: v.string(),
  zone: v.string(),
  /** The instance's name, and the boot disk's. */
  machine: v.string(),
};
const instanceInputs = {
  ...place,
  /** The instance's id: another machine of the same name is another step. */
  instance: v.string(),
};
const step = { inputs: instanceInputs, replaceOn: ["project", "zone", "machine", "instance"] } as const;

/**
 * The first answer of a machine, with the host key that it was born with, and how it lets us in. Until then nobody logs in: on images
 * without cloud-init the key is put in place by a script that runs after sshd has started with another one.
 */
export const Reachable = resourceContract("ci-images:gce:Arrival", {
  inputs: {
    ...instanceInputs,
    host: v.string(),
    ...reachableInputs,
    /** Seconds until we stop waiting for it. */
    patience: integer(1),
    /** True where it is to run. */
    awake: v.boolean(),
  },
  replaceOn: ["project", "zone", "machine", "instance"],
  outputs: way,
  secrets: ["privateKey", "proxy"],
});

/** Marks the instance: sealing begins. */
export const SealMark = resourceContract("ci-images:gce:SealMark", step);

/**
 * Stops the sealed builder cleanly, and takes the instance off its boot disk, which stays: Google makes an image of a disk only when no
 * running instance has it.
 */
export const Stop = resourceContract("ci-images:gce:Retirement", step);

/** Ends a machine, its disk and its firewall rules, in the `pulumi up` that made it. */
export const Retirement = resourceContract("ci-images:gce:TrialRetirement", step);

/** The retirement of a builder, of which only the boot disk is left, once there is an image of it. */
export const DiskDrop = resourceContract("ci-images:gce:DiskDrop", {
  inputs: {
    ...place,
    /** The image made from the disk. The disk is deleted only after it exists. */
    image: v.string(),
  },
  replaceOn: ["project", "zone", "machine"],
});

/** Makes room for an image: removes what is left under its name of one that failed, or whose making nobody waited for to the end. */
export const Clearing = resourceContract("ci-images:gce:Clearing", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The name of the image that is to be made. */
    image: v.string(),
    /** The instance's id of the builder that it is to be made with. */
    instance: v.string(),
  },
  replaceOn: ["project", "image", "instance"],
});

/** Marks a verified image as such, after which stack outputs may name it. */
export const Promotion = resourceContract("ci-images:gce:Promotion", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    /** The image's name. */
    image: v.string(),
    /** When it was made: another image of that name is promoted again. */
    builtAt: v.string(),
    ...proof,
  },
  replaceOn: ["project", "image", "builtAt"],
});

/** The membership of a verified image in a family; the newest member is what the family stands for. */
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

/** The lease of an import: declared before it and dropped after it. Then object and image are gone unless the image was proven. */
export const ImportLease = resourceContract("ci-images:gce:ImportLease", {
  inputs: {
    project: v.string(),
    bucket: v.string(),
    object: v.string(),
    /** The name of the image that is to be made. */
    image: v.string(),
    /** Seconds after which an image that was not proven by then may be swept away. */
    lifetime: leaseInputs.lifetime,
  },
  replaceOn: ["project", "bucket", "object", "image"],
  outputs: { expires: v.string() },
});

/** What an image is imported from; needed only to make it, not to keep it. */
const importing = v.object({
  /** The image's folder on this computer. */
  folder: v.string(),
  recipe: v.string(),
  bucket: v.string(),
  /** The object that the disk is while it is imported. */
  object: v.string(),
  /** The description's line for people. */
  line: v.string(),
  /** What else the description holds, beside the builder's identity and the expiry. */
  facts: objectOf<object>(),
  /** When an image that was not proven by then may be swept away. */
  expires: v.string(),
  labels: textByName,
  guestOsFeatures: texts,
  storageLocations: texts,
});
export type Importing = v.InferOutput<typeof importing>;

/** An image of a disk that was baked on this computer. */
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

/** The project that we work in, and who we are there. */
export const account = functionContract("ci-images:gce:account", {
  inputs: { project: v.optional(v.string()) },
  answer: { project: v.string(), who: v.string() },
});

/** Where to look for a base image. */
export type BaseSource =
  | { kind: "family"; project: string; family: string }
  /** @property image A name in `project`. */
  | { kind: "image"; project: string; image: string };

/** Pins the base image down. */
export const resolveBase = functionContract("ci-images:gce:resolveBase", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    source: objectOf<BaseSource>(),
    architecture,
    /** The distribution's id, for messages. */
    distribution: v.string(),
    /** The id of the base to stay with. */
    pinned: v.optional(v.string()),
  },
  answer: {
    /** `projects/P/global/images/NAME@NUMBER`: decides the content. */
    id: v.string(),
    /** For people: the image's name and its project. */
    description: v.string(),
    /** Something the user should know. */
    notice: v.optional(v.string()),
    /** What a disk is made from: `projects/P/global/images/NAME`. */
    image: v.string(),
    /** Guest OS features: `UEFI_COMPATIBLE`, ... */
    features: texts,
    /** The smallest disk that holds it, in GB. */
    sizeGb: v.number(),
  },
});
export type FoundBase = AnswerOf<typeof resolveBase>;

/** What an image of ours says of itself, in its description. */
export interface Facts {
  recipe: string;
  name: string;
  base: { id: string; description: string };
  builder: BuilderIdentity;
  plan?: PlanDescription;
  /** When it is nobody's any more unless it was verified by then; as labels have it. */
  expires?: string;
}

/** An image of ours. */
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
    /** Whose builders, where the stack has several worker images of the distribution. */
    worker: v.optional(v.string()),
  },
  answer: {
    /** The newest first. */
    images: v.array(surveyedImage),
    /** The recipes of the builders. */
    builders: texts,
    /** Of those that were sealed and stopped, and whose time is not up. */
    sealed: texts,
    /** Images that came to nothing, or are not finished: `FAILED`, `PENDING`. */
    unfinished: listOf<{ image: string; status: string }>(),
  },
});

/** Refuses to start a bake that can't end well, and tells of which networks machines' addresses are. */
export const preflight = functionContract("ci-images:gce:preflight", {
  inputs: {
    /** The project's id. */
    project: v.string(),
    zone: v.string(),
    machineType: v.string(),
    architecture,
    /** A network's name in the project; undefined when the stack names a subnetwork or a network of another project. */
    network: v.optional(v.string()),
    /** Where machines get their private addresses from, when they are reached by those. */
    inside: v.optional(v.object({ network: v.string(), subnetwork: v.optional(v.string()) })),
    /** What the builder takes; undefined where it is there already. */
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

/** Lists what is past its expiry, and removes it when asked to. */
export const sweep = functionContract("ci-images:gce:sweep", {
  inputs: {
    ...sweepInputs,
    stack: v.string(),
    /** The project of Google Cloud; without it, that of the environment or of the credentials. */
    place: v.optional(v.string()),
    /** The bucket of the stack's imports. */
    bucket: v.optional(v.string()),
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["instance", "disk", "image", "firewall rule", "object"]),
        /** The path below the project; of an object, its name in the bucket. */
        id: v.string(),
        name: v.string(),
        /** When it should have ended, ISO 8601. */
        expired: v.string(),
        /** The project of Google Cloud. */
        place: v.string(),
        /** Why it could not be removed. */
        problem: v.optional(v.string()),
      }),
    ),
  },
});
