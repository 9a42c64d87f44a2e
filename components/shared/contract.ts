// Contracts of the resources and functions that every cloud uses, and the parts that all clouds' contracts share.
import * as v from "valibot";
import {
  filled,
  functionContract,
  integer,
  resourceContract,
  texts,
  type FunctionContract,
  type Properties,
  type ResourceContract,
} from "../../common/contract.ts";

export const architecture = v.picklist(["amd64", "arm64"]);

/** Whether a machine should run: `off` stops and keeps it. */
export const power = v.picklist(["on", "off"]);

/** Labels with a resource's owner and purpose; see common/labels.ts. There may be others. */
export const neededLabels = {
  project: v.string(),
  stack: v.string(),
  distribution: v.string(),
  recipe: v.string(),
  role: v.picklist(["builder", "trial", "image"]),
};

/** Whose images and builders to look for. */
export const ownerInputs = {
  /** Pulumi's project. */
  project: v.string(),
  stack: v.string(),
  distribution: v.string(),
  /** The worker image whose builders to list, if the stack has several of the distribution. */
  worker: v.optional(v.string()),
};

/** The builders that a survey finds in every cloud, by their recipe hashes. */
export const surveyedBuilders = {
  /** Builders that a bake of their recipe continues with. */
  builders: texts,
  /** Builders past their deadline, which the next `pulumi up` replaces. */
  expired: texts,
  /** Those of `builders` that were sealed and stopped, and wait for their image. */
  sealed: texts,
};

/** The inputs of a machine's lease in every cloud. */
export const leaseInputs = {
  /** The first part of the machine's name: project, stack, distribution, recipe. */
  prefix: filled,
  /** Labels to find the machine by if the state is lost. */
  labels: v.objectWithRest(neededLabels, v.string()),
  /** Seconds after which the machine ends itself. */
  lifetime: integer(60),
  /**
   * True if people and commands should log in to the machine: a sealed one, which accepts no logins, is then replaced.
   */
  open: v.optional(v.boolean()),
};

/** The outputs of a machine's lease in every cloud. */
export const leaseOutputs = {
  /** The machine's name, never used twice. */
  machine: v.string(),
  /** When the machine ends itself, ISO 8601. */
  deadline: v.string(),
};

/**
 * A step that acts once, such as on a machine.
 * @param inputs They identify what it acts on: if one changes, it is another step.
 */
export function stepContract<const I extends Properties>(token: string, inputs: I): ResourceContract<I> {
  return resourceContract(token, { inputs, replaceOn: Object.keys(inputs) });
}

/** The inputs of a promotion in every cloud, in addition to the image. */
export const proof = {
  /** How the image was verified: `OpenStack, flavor m1.small`. */
  how: v.string(),
  /** The verification's output, one line per check. */
  report: v.string(),
};

/** The identity of an image's builder: a machine booted from the image must differ from it. */
export const builderIdentity = v.object({
  machineId: v.string(),
  /** Lines such as `ssh-ed25519 AAAA...`. */
  hostKeys: texts,
  /** The public key that the bake logged in with. */
  loginKey: v.string(),
});
export type BuilderIdentity = v.InferOutput<typeof builderIdentity>;

/** A bastion, in the form of common/ssh-dial.mjs. */
export const proxy = v.strictObject({
  host: v.string(),
  port: integer(),
  user: v.string(),
  hostKey: v.string(),
  /** By default, the SSH agent is used. */
  privateKey: v.optional(v.string()),
  dialErrorLimit: integer(),
  /** Seconds. */
  perDialTimeout: integer(),
});
export type Proxy = v.InferOutput<typeof proxy>;

/** How commands and uploads connect: the part of `remote.Command`'s connection (@pulumi/command) that we use. */
const connection = v.strictObject({
  host: v.string(),
  port: integer(),
  user: v.string(),
  privateKey: v.string(),
  hostKey: v.string(),
  dialErrorLimit: integer(),
  perDialTimeout: integer(),
  /** The bastion to go through. */
  proxy: v.optional(proxy),
});

/** How a bake logs in to a machine: through its own SSH server (provision/builder/door.ts), or ordinary SSH. */
export const way = { sshPort: integer(), sshUser: v.string() };

/** The inputs of `Reachable` in every cloud. */
export const reachableInputs = {
  port: integer(),
  /** The login account of ordinary SSH. */
  user: v.string(),
  /** The machine's host key: `ssh-ed25519 AAAA...`. */
  hostKey: v.string(),
  /** The login key, OpenSSH format. */
  privateKey: v.string(),
  /** The bastion to go through. */
  proxy: v.optional(proxy),
};

/**
 * An ed25519 pair, made again when the comment changes, which includes the recipe hash. Its private half is only in the
 * state.
 */
export const KeyPair = resourceContract("ci-images:index:KeyPair", {
  inputs: {
    /** The key's purpose; the public half's comment. */
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

/** A local port that leads to a machine through its cloud's own tunnel. */
export const Forward = resourceContract("ci-images:index:Forward", {
  inputs: {
    /** The tool that makes one connection, and its arguments. */
    command: v.pipe(texts, v.minLength(1)),
  },
  replaceOn: ["command"],
  outputs: { host: v.string(), port: integer() },
});

/** How to log in to a builder: for people and the command line, even after a failed bake. */
export const Login = resourceContract("ci-images:index:Login", {
  inputs: {
    /** The worker image that the machine belongs to: `debian12`. */
    worker: v.string(),
    /** The recipe hash. */
    recipe: v.string(),
    host: v.string(),
    power,
    /**
     * A command that connects its standard input and output to the machine. With it, `host` and `port` are only valid
     * during a Pulumi command.
     */
    tunnel: v.optional(texts),
    ...reachableInputs,
  },
  replaceOn: ["worker", "recipe"],
  secrets: ["privateKey", "proxy"],
});

/** Waits for a machine to return from a reboot. */
export const Return = resourceContract("ci-images:index:Return", {
  inputs: {
    /** How the machine was reached before the reboot. A new address of the same machine is not a change. */
    connection,
    /** What the reboot depends on; a change repeats the wait. */
    triggers: texts,
  },
  replaceOn: ["triggers"],
  secrets: ["connection"],
});

const absolute = v.pipe(v.string(), v.regex(/^\//));

/** A file or folder uploaded from this computer to a builder. */
export const Upload = resourceContract("ci-images:index:Upload", {
  inputs: {
    connection,
    /** The file or folder on this computer. Another path with the same content is not a change. */
    source: absolute,
    /** Its path on the builder. */
    destination: absolute,
    /** From `digestOfPacked`. */
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    /** What the upload depends on; a change repeats it. */
    triggers: texts,
    /**
     * The builder's list of modules that came with a layer, and the prefix hash of the module that needs the upload: if
     * it is listed, nothing is sent.
     */
    present: v.optional(v.strictObject({ file: v.string(), prefix: v.string() })),
  },
  replaceOn: ["destination", "sha256", "triggers"],
  secrets: ["connection"],
});

/** Logs in to the bastion once, as a check. */
export const bastion = functionContract("ci-images:index:bastion", {
  inputs: {
    user: v.string(),
    host: v.string(),
    port: integer(),
    /** The host key to accept; by default, the one in known_hosts. */
    hostKey: v.optional(v.string()),
    /** By default, the SSH agent is used. */
    privateKey: v.optional(v.string()),
  },
  answer: { hostKey: v.string() },
});

/** How a place's machines are reached. */
export const reached = {
  /** The family of the address that is used. */
  family: v.picklist([4, 6]),
  /** Networks (CIDR) of these addresses, if known. */
  networks: v.optional(texts),
  /** Whether they are private, if that is certain without the networks. */
  isPrivate: v.optional(v.boolean()),
  /** A host of the cloud itself, for a cloud inside a private network. */
  cloudHost: v.optional(v.string()),
};

/**
 * Answers when the part of the plugin with this name is loaded.
 * @param part The second word of its tokens: `local`. It need not exist.
 */
export function ready(part: string): FunctionContract {
  return functionContract(`ci-images:${part}:ready`, { inputs: {} });
}

/** The addresses under which a bake's machines see this computer. */
export const ownAddress = functionContract("ci-images:index:ownAddress", {
  inputs: {
    ...reached,
    /** The host that connections go through. */
    bastion: v.optional(v.string()),
  },
  answer: {
    addresses: texts,
    /** A notice for the user about how they were found. */
    notice: v.optional(v.string()),
  },
});

/** Refuses a tunnel whose command-line tools are missing. */
export const tunnelTools = functionContract("ci-images:index:tunnelTools", {
  inputs: { tunnel: v.picklist(["iap", "instance-connect", "session-manager"]) },
});

/** The inputs of a sweep in every cloud, in addition to the places to look in. */
export const sweepInputs = {
  project: v.string(),
  /** By default, all stacks of the project. */
  stack: v.optional(v.string()),
  /** The time to use as now, ISO 8601. What expired before it is a leftover. */
  now: v.optional(v.string()),
  /** Whether to remove the leftovers, or only list them. */
  remove: v.boolean(),
};

/** The part of a leftover in a sweep's answer that all clouds have. */
export const leftover = {
  /** Why it could not be removed. */
  problem: v.optional(v.string()),
};

/** The same for a leftover with a name and an expiry. */
export const expiredLeftover = {
  ...leftover,
  id: v.string(),
  name: v.string(),
  /** When it expired, ISO 8601. */
  expired: v.string(),
};
