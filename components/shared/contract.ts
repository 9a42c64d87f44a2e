// Contracts of the resources and functions that every cloud uses, and the parts that contracts of all clouds have in common.
import * as v from "valibot";
import { filled, functionContract, integer, resourceContract, texts } from "../../common/contract.ts";

/** Whether a machine is to run: `off` stops and keeps it. */
export const power = v.picklist(["on", "off"]);

/** Labels that tell whose a thing is and what it is for; see common/labels.ts. There may be others. */
export const neededLabels = {
  project: v.string(),
  stack: v.string(),
  distribution: v.string(),
  recipe: v.string(),
  role: v.picklist(["builder", "trial", "image"]),
};

/** What the lease of a machine takes in every cloud. */
export const leaseInputs = {
  /** The first part of the machine's name: project, stack, distribution, recipe. */
  prefix: filled,
  /** What the machine is found by when the state is lost. */
  labels: v.objectWithRest(neededLabels, v.string()),
  /** Seconds after which the machine ends itself. */
  lifetime: integer(60),
  /** True when people and commands are to log in to the machine: a sealed one, which lets nobody in, is replaced then. */
  open: v.optional(v.boolean()),
};

/** What the lease of a machine gives in every cloud. */
export const leaseOutputs = {
  /** The machine's name, never used twice. */
  machine: v.string(),
  /** When the machine ends itself, ISO 8601. */
  deadline: v.string(),
};

/** What a promotion takes in every cloud, beside what names the image. */
export const proof = {
  /** How the image was verified: `OpenStack, flavor m1.small`. */
  how: v.string(),
  /** The verification's output, one line a check. */
  report: v.string(),
};

/** What the builder of an image was: a machine booted from the image must differ from it. */
export const builderIdentity = v.object({
  machineId: v.string(),
  /** Lines such as `ssh-ed25519 AAAA...`. */
  hostKeys: texts,
  /** The public key that the bake logged in with. */
  loginKey: v.string(),
});
export type BuilderIdentity = v.InferOutput<typeof builderIdentity>;

/** A bastion, as common/ssh-dial.mjs takes it. */
export const proxy = v.strictObject({
  host: v.string(),
  port: integer(),
  user: v.string(),
  hostKey: v.string(),
  /** Without one, the SSH agent is asked. */
  privateKey: v.optional(v.string()),
  dialErrorLimit: integer(),
  /** Seconds. */
  perDialTimeout: integer(),
});
export type Proxy = v.InferOutput<typeof proxy>;

/** How commands and uploads connect: what `remote.Command` of @pulumi/command takes, as we use it. */
const connection = v.strictObject({
  host: v.string(),
  port: integer(),
  user: v.string(),
  privateKey: v.string(),
  hostKey: v.string(),
  dialErrorLimit: integer(),
  perDialTimeout: integer(),
  /** The bastion that it goes through. */
  proxy: v.optional(proxy),
});

/** How a machine lets a bake in: by the bake's own way (provision/builder/door.ts), or by its ordinary SSH. */
export const way = { sshPort: integer(), sshUser: v.string() };

/** What waiting for a machine's first answer takes in every cloud. */
export const reachableInputs = {
  port: integer(),
  /** The account of its ordinary SSH. */
  user: v.string(),
  /** The host key that it was born with: `ssh-ed25519 AAAA...`. */
  hostKey: v.string(),
  /** The key that logs in, OpenSSH format. */
  privateKey: v.string(),
  /** The bastion that connections go through. */
  proxy: v.optional(proxy),
};

/** An ed25519 pair, made again when the comment changes, which carries the recipe hash. Its private half is in the state only. */
export const KeyPair = resourceContract("ci-images:index:KeyPair", {
  inputs: {
    /** What the key is for; the public half's comment. */
    comment: filled,
  },
  replaceOn: ["comment"],
  outputs: {
    /** One authorized_keys line. */
    publicKey: v.string(),
    /** OpenSSH format. */
    privateKey: v.string(),
  },
  secrets: ["privateKey"],
});

/** A port of this computer that leads to a machine through its cloud's own tunnel. */
export const Forward = resourceContract("ci-images:index:Forward", {
  inputs: {
    /** The tool that makes one connection, and its arguments. */
    command: v.pipe(texts, v.minLength(1)),
  },
  replaceOn: ["command"],
  outputs: { host: v.string(), port: integer() },
});

/** How to log in to a builder: for people and the command line, also while a bake has failed. */
export const Login = resourceContract("ci-images:index:Login", {
  inputs: {
    /** The worker image that the machine belongs to: `debian12`. */
    worker: v.string(),
    /** The recipe hash. */
    recipe: v.string(),
    host: v.string(),
    power,
    /** Makes one connection to the machine by its standard input and output: `host` and `port` are that only during a command of Pulumi's. */
    tunnel: v.optional(texts),
    ...reachableInputs,
  },
  replaceOn: ["worker", "recipe"],
  secrets: ["privateKey", "proxy"],
});

/** A machine that comes back from a reboot. */
export const Return = resourceContract("ci-images:index:Return", {
  inputs: {
    /** How the machine was reached before. Another address of the same machine is no change. */
    connection,
    /** What the reboot depends on. */
    triggers: texts,
  },
  replaceOn: ["triggers"],
  secrets: ["connection"],
});

const absolute = v.pipe(v.string(), v.regex(/^\//));

/** A file or folder of this computer on a builder. */
export const Upload = resourceContract("ci-images:index:Upload", {
  inputs: {
    connection,
    /** The file or folder on this computer. Another path with the same content is no change. */
    source: absolute,
    /** What it becomes on the builder. */
    destination: absolute,
    /** From `digestOfPacked`. */
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    /** What the upload depends on; it is made again when one of them changes. */
    triggers: texts,
    /** Where the builder says which modules came with a layer, and the prefix hash of the one that needs the upload: then nothing is sent. */
    present: v.optional(v.strictObject({ file: v.string(), prefix: v.string() })),
  },
  replaceOn: ["destination", "sha256", "triggers"],
  secrets: ["connection"],
});

/** Logs in to the bastion once. */
export const bastion = functionContract("ci-images:index:bastion", {
  inputs: {
    user: v.string(),
    host: v.string(),
    port: integer(),
    /** The host key to accept; without it, the one of known_hosts. */
    hostKey: v.optional(v.string()),
    /** Without one, the SSH agent is asked. */
    privateKey: v.optional(v.string()),
  },
  answer: { hostKey: v.string() },
});

/** How the machines of a place are reached. */
export const reached = {
  /** The family of the address that is used. */
  family: v.picklist([4, 6]),
  /** Networks (CIDR) that these addresses are of, where they are known. */
  networks: v.optional(texts),
  /** Whether they are private, where that is certain without any network. */
  isPrivate: v.optional(v.boolean()),
  /** A host of the cloud itself, for a cloud that is inside of a network of its own. */
  cloudHost: v.optional(v.string()),
};

/** The addresses that the machines of a bake see this computer under. */
export const ownAddress = functionContract("ci-images:index:ownAddress", {
  inputs: {
    ...reached,
    /** The host that connections go through. */
    bastion: v.optional(v.string()),
  },
  answer: {
    addresses: texts,
    /** What the user should know about how they were found. */
    notice: v.optional(v.string()),
  },
});

/** Refuses a tunnel whose command-line tools are missing. */
export const tunnelTools = functionContract("ci-images:index:tunnelTools", {
  inputs: { tunnel: v.picklist(["iap", "instance-connect", "session-manager"]) },
});

/** What a sweep takes in every cloud, beside where to look. */
export const sweepInputs = {
  project: v.string(),
  /** Without it, leftovers of all stacks of the project. */
  stack: v.optional(v.string()),
  /** ISO 8601: what counts as the present; what expires before it is a leftover. */
  now: v.optional(v.string()),
  /** False only looks. */
  remove: v.boolean(),
};

/** What a sweep says of a leftover, beside its kind and where it is. */
export const leftover = {
  /** What the cloud knows it by. */
  id: v.string(),
  /** What it is, for people. */
  description: v.string(),
  /** When it expired, ISO 8601; not all have an expiry. */
  expired: v.optional(v.string()),
  /** Why it could not be removed. */
  problem: v.optional(v.string()),
};
