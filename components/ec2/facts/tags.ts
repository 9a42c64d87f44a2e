// Names of our tags on EC2, in addition to the common ones of labels.ts. The program writes them, the provider reads
// them.
import { labelKey } from "../../../common/labels.ts";
import type { BuilderIdentity } from "../../shared/contract.ts";
import { ec2Labels } from "./labels.ts";

/** Our tag's name: `ci-images:recipe`. */
export const tagKey = (label: string) => labelKey(ec2Labels, label);

/** Names of tags. */
export const tagNames = {
  /** The machine's name, from its lease; on everything that belongs to the machine. */
  machine: tagKey("machine"),
  /** On a verified image: when it was verified, ISO 8601. */
  proven: tagKey("proven"),
  /** How it was verified. */
  verified: tagKey("verified"),
  /** On a builder: `started` when its sealing began, `done` when it ended. */
  sealing: tagKey("sealing"),
  /** On an image: what {@link builderTag} makes. */
  builder: tagKey("builder"),
  /** On an image: the base image, for people. */
  baseDescription: tagKey("base-description"),
  /** On an image: the recipe's name. */
  recipeName: tagKey("name"),
} as const;

/**
 * Characters of a login key that go into a tag, which has at most 256 for all of the builder's identity. An ed25519 key
 * has 68. Of a user's own RSA key, which has 372 or more, the beginning identifies it.
 */
const longestKey = 140;

/** A builder's identity in a tag: machine-id, host key and login key, without the keys' types. */
export function builderTag({ machineId, hostKeys, loginKey }: BuilderIdentity): string {
  const [host, login] = [hostKeys[0], loginKey].map((line) => line.split(" ")[1]);
  return [machineId, host, login.slice(0, longestKey)].join(" ");
}

/** Reads what {@link builderTag} made. @returns undefined if somebody has changed it. */
export function builderOf(tag: string | undefined): BuilderIdentity | undefined {
  const [machineId, host, login] = (tag ?? "").split(" ");
  if (!login) return undefined;
  const line = (data: string) => `${typeOf(data)} ${data}`;
  return { machineId, hostKeys: [line(host)], loginKey: line(login) };
}

/** A key's type: the first string of its data, after four bytes with its length. Ours if somebody has changed it. */
function typeOf(data: string): string {
  const bytes = Buffer.from(data, "base64");
  const type = bytes.subarray(4, 4 + (bytes[3] ?? 0)).toString("latin1");
  return /^(ssh|ecdsa)-[a-z0-9-]+$/.test(type) ? type : "ssh-ed25519";
}
