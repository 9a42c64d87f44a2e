// Contracts of the resources and functions of `local`.
import * as v from "valibot";
import {
  functionContract,
  integer,
  listOf,
  objectOf,
  resourceContract,
  textByName,
  texts,
  type ValuesOf,
} from "../../common/contract.ts";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import {
  builderIdentity,
  leaseInputs,
  leaseOutputs,
  leftover,
  neededLabels,
  power,
  proof,
  stepContract,
} from "../shared/contract.ts";

/** The source of a root file system. */
export type BaseSource =
  /** Bootstrapped from the distribution's mirrors. */
  | { kind: "mirror"; distribution: string; mirror?: string; packages?: string[] }
  /**
   * A tarball of an installed root: a path or an http(s) URL; `sha256` is required for a URL, and always checked if
   * given.
   */
  | { kind: "tarball"; location: string; sha256?: string }
  /** A directory that holds an installed root. It is copied, never changed. */
  | { kind: "directory"; path: string }
  /** An earlier image: the folder with its manifest.json. */
  | { kind: "image"; path: string };

/** A base source with pinned content. */
const resolvedBase = {
  source: objectOf<BaseSource>(),
  /** Derived from the content: the same id means the same root. Its name in the cache, and part of the recipe hash. */
  id: v.string(),
  /** For people: `debian 12.12 (2026-09-06)`. */
  description: v.string(),
};

export type ResolvedBase = ValuesOf<typeof resolvedBase>;

/** A base image in the cache. */
export const BaseImage = resourceContract("ci-images:local:BaseImage", {
  inputs: { base: v.looseObject(resolvedBase) },
  replaceOn: ["base"],
  outputs: {
    /** The cached root file system: a folder that is never changed. */
    path: v.string(),
  },
});

/** The lease of a machine. */
export const Lease = resourceContract("ci-images:local:Lease", {
  inputs: {
    ...leaseInputs,
    prefix: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/)),
    /** `home` is the image directory. */
    labels: v.objectWithRest({ ...neededLabels, home: v.string() }, v.string()),
    /** The folder of the image made from the machine; deleted with the lease unless it was proven. */
    image: v.optional(v.string()),
  },
  replaceOn: ["prefix", "labels"],
  outputs: leaseOutputs,
});

/** The inputs of every machine. */
const machineInputs = {
  /** The machine's name, from its lease. */
  name: v.string(),
  /** When the machine ends itself, ISO 8601; from its lease. */
  deadline: v.string(),
  labels: textByName,
  loginUser: v.string(),
  /** One authorized_keys line. */
  authorizedKey: v.string(),
};

/** The outputs of every machine. */
const machineOutputs = {
  host: v.string(),
  port: integer(),
  /** Unique to each machine, so that commands run again on a new builder. */
  instance: v.string(),
};

/** A container that boots the base image. */
export const Builder = resourceContract("ci-images:local:Builder", {
  inputs: {
    ...machineInputs,
    /** The base image's folder. */
    base: v.string(),
    /** Bytes of its disk: the recipe's size. */
    size: v.optional(v.number()),
    /**
     * Prefix hashes of the modules, in order. The builder starts from the longest matching layer; without hashes it
     * starts from the base.
     */
    modules: v.optional(texts),
    /** Its SSH host key, OpenSSH format. */
    hostPrivateKey: v.string(),
    hostPublicKey: v.string(),
    power: v.optional(power),
  },
  replaceOn: ["name", "base", "loginUser", "authorizedKey", "hostPublicKey"],
  outputs: {
    ...machineOutputs,
    /** How many modules came with the starting layer; missing in older states. */
    fromLayer: v.optional(integer()),
  },
  secrets: ["hostPrivateKey"],
});

/** A trial machine booted from an image, once it accepts logins. */
export const VirtualMachine = resourceContract("ci-images:local:VirtualMachine", {
  inputs: {
    ...machineInputs,
    /** The image's disk; it is never written to. */
    disk: v.string(),
    firmware: v.picklist(["uefi", "bios"]),
    /** The private half of `authorizedKey`, OpenSSH format. */
    privateKey: v.string(),
  },
  replaceOn: ["name", "disk", "firmware", "loginUser", "authorizedKey"],
  outputs: {
    ...machineOutputs,
    /** The account that commands log in to: root through the bake's own SSH server, or the image's login user. */
    user: v.string(),
    /**
     * The key of the bake's own SSH server, or the key that the machine made at first boot and printed on its console.
     */
    hostKey: v.string(),
  },
  secrets: ["privateKey"],
});

/** A builder's state after a module, kept for later bakes. */
export const Layer = resourceContract("ci-images:local:Layer", {
  inputs: {
    /** The builder's name. */
    machine: v.string(),
    /** The builder's instance: a new builder of the same name gets new layers. */
    instance: v.string(),
    /** The hash of everything up to the module. */
    prefix: v.string(),
    /** The names of the modules up to it, in order. */
    modules: texts,
    /** True if the builder is from an earlier `pulumi up`: a module may have failed on it, or a person worked on it. */
    interrupted: v.optional(v.boolean()),
  },
  replaceOn: ["machine", "instance", "prefix"],
});

const machine = {
  /** The machine's name. */
  machine: v.string(),
  /** The machine's instance: another machine of the same name needs another step. */
  instance: v.string(),
};

/** Records that sealing begins. */
export const SealMark = stepContract("ci-images:local:SealMark", machine);

/** Powers the sealed builder off cleanly, and keeps its disk for the image. */
export const Stop = stepContract("ci-images:local:Stop", machine);

/** Ends a machine in the same `pulumi up` that made it. */
export const Retirement = stepContract("ci-images:local:Retirement", machine);

/** The file formats of images. */
export const imageFormats = ["qcow2", "raw", "tar", "vhd", "vmdk"] as const;

/** A folder with a bootable disk. */
export const Image = resourceContract("ci-images:local:Image", {
  inputs: {
    /** The image's folder. */
    path: v.string(),
    /** The recipe hash, which distinguishes images. */
    recipe: v.string(),
    name: v.string(),
    distribution: v.string(),
    project: v.string(),
    stack: v.string(),
    // The rest is needed to make the image, not to keep it.
    /** The sealed and stopped builder. */
    machine: v.optional(v.string()),
    base: v.optional(v.object({ id: v.string(), description: v.string() })),
    /** Bytes of the disk. */
    size: v.optional(integer(1)),
    formats: v.optional(v.array(v.picklist(imageFormats))),
    plan: v.optional(objectOf<PlanDescription>()),
    /** The recipes of its bases, nearest first. */
    ancestry: v.optional(listOf<{ name: string; recipe: string }>()),
    packages: v.optional(listOf<{ name: string; version: string }>()),
    /** The builder's identity, for the verification. */
    builder: v.optional(builderIdentity),
    /** True when an earlier `pulumi up` had failed on the same builder. */
    interrupted: v.optional(v.boolean()),
    /** The names of the recipe's modules, in order. */
    modules: v.optional(texts),
    /** The script that checks a root file system against the sealing checklist. Reads the path from `ROOT`. */
    assertion: v.optional(v.string()),
  },
  replaceOn: ["path", "recipe"],
  outputs: {
    /** The disk's path. */
    disk: v.string(),
    /** The disk's sha256, hexadecimal. */
    sha256: v.string(),
    /** The disk file's size in bytes. */
    bytes: integer(),
    /** ISO 8601. */
    builtAt: v.string(),
    builder: builderIdentity,
    /** If the builder started from a layer: the modules in the layer, and those that ran; see image-store.ts. */
    layer: v.optional(v.object({ modules: texts, ran: texts, prefix: v.string(), createdAt: v.string() })),
  },
});

/** Marks a verified image as proven; only proven images appear in outputs. */
export const Promotion = resourceContract("ci-images:local:Promotion", {
  inputs: {
    /** The image's folder. */
    image: v.string(),
    /** When that image was made: a new image in the same folder needs its own promotion. */
    builtAt: v.string(),
    ...proof,
  },
  replaceOn: ["image", "builtAt"],
});

/** A finished image, as the program sees it. */
const storedImage = v.object({
  /** Its folder, absolute. */
  path: v.string(),
  manifest: v.object({
    name: v.string(),
    /** The recipe hash. */
    recipe: v.string(),
    distribution: v.string(),
    /** Bytes of the disk. */
    size: v.number(),
    base: v.object({ id: v.string(), description: v.string() }),
    plan: objectOf<PlanDescription>(),
    /** ISO 8601. */
    builtAt: v.string(),
  }),
  /** Its `disk.qcow2`'s checksum, if it has one: what builders that start from it have as their base. */
  sha256: v.optional(v.string()),
  /** Present once the image was verified. */
  proof: v.optional(objectOf<object>()),
});
export type DescribedImage = v.InferOutput<typeof storedImage>;

/** Pins a base source's content. */
export const resolveBase = functionContract("ci-images:local:resolveBase", {
  inputs: { source: objectOf<BaseSource>(), projectDirectory: v.string() },
  answer: resolvedBase,
});

/** The stack's images of one distribution, newest first, and its builders. */
export const findImages = functionContract("ci-images:local:findImages", {
  inputs: {
    /** The image directory. */
    home: v.string(),
    project: v.string(),
    stack: v.string(),
    distribution: v.string(),
  },
  answer: {
    images: v.array(storedImage),
    machines: v.array(
      v.object({
        name: v.string(),
        recipe: v.string(),
        /** Its worker image, if the stack has several of the distribution. */
        worker: v.optional(v.string()),
        /** Whether it was sealed and stopped. */
        sealed: v.optional(v.boolean()),
      }),
    ),
  },
});

/** A proven image of the recipe, from any stack. */
export const findBaked = functionContract("ci-images:local:findBaked", {
  inputs: {
    /** The image directory. */
    home: v.string(),
    distribution: v.string(),
    /** The recipe hash. */
    recipe: v.string(),
    /**
     * True if the caller will bake a missing image. It then waits while another process bakes it; otherwise it claims
     * the bake, and others wait.
     */
    claim: v.boolean(),
  },
  answer: { image: v.optional(storedImage) },
});

/** A finished image in a folder, for a stack that imports it. */
export const describeImage = functionContract("ci-images:local:describeImage", {
  inputs: { path: v.string() },
  answer: storedImage.entries,
});

/** Refuses a bake that can't succeed on this computer. */
export const preflight = functionContract("ci-images:local:preflight", {
  inputs: {
    /** The image directory. */
    home: v.string(),
    /** Bytes of the disk that will be made. */
    size: v.number(),
    /** Whether a builder is started; an existing one already has its space. */
    builder: v.boolean(),
    /** Whether an image is made. */
    image: v.boolean(),
    /** Whether a virtual machine boots from it here. */
    boots: v.boolean(),
    /** The image, and the stack that it will belong to. */
    made: v.optional(
      v.object({
        /** Its folder. */
        path: v.string(),
        project: v.string(),
        stack: v.string(),
        /** Whether to replace an image that another stack left unverified. */
        takesOver: v.boolean(),
        /** True if the caller will bake the image: no other process may do so at the same time. */
        claim: v.boolean(),
      }),
    ),
  },
  /** How a virtual machine runs here, if one will. */
  answer: { accelerator: v.optional(v.string()) },
});

/** How many of a bake's modules a layer would save. Starts nothing. */
export const findLayers = functionContract("ci-images:local:findLayers", {
  inputs: {
    /** The base's id. */
    base: v.string(),
    /** Bytes of the builder's disk. */
    size: v.number(),
    loginUser: v.string(),
    /** The modules' prefix hashes in order. */
    modules: texts,
  },
  answer: { count: integer() },
});

/** All layers in the cache, most recently used first. */
export const layers = functionContract("ci-images:local:layers", {
  inputs: {
    /** Whether to remove them. */
    remove: v.optional(v.boolean()),
  },
  answer: {
    folder: v.string(),
    /** The most bytes that all layers may take together. */
    limit: v.number(),
    layers: v.array(
      v.object({
        /** Its folder's name. */
        key: v.string(),
        /** The base's id. */
        base: v.string(),
        /** The modules in it, in order. */
        modules: texts,
        /** ISO 8601. */
        createdAt: v.string(),
        /** ISO 8601. */
        usedAt: v.string(),
        /** Bytes that it uses in addition to those used more recently. */
        own: v.number(),
        /** Bytes of all its files. */
        bytes: v.number(),
      }),
    ),
  },
});

/** Lists, and removes if asked, broken or expired machines and folders of unfinished images. */
export const sweep = functionContract("ci-images:local:sweep", {
  inputs: {
    project: v.string(),
    stack: v.string(),
    /** The image directory. */
    home: v.string(),
    /** The longest duration of a bake, in seconds. */
    lifetime: v.number(),
    /** Whether to remove them, or only list them. */
    remove: v.boolean(),
  },
  answer: {
    leftovers: v.array(
      v.object({
        kind: v.picklist(["machine", "unfinished image"]),
        name: v.string(),
        reason: v.string(),
        ...leftover,
      }),
    ),
  },
});
