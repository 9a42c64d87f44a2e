// Names of our tags on EC2, in addition to the common ones of labels.ts. The program writes them, the provider reads
// them.
import { labelKey } from "../../../common/labels.ts";
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
  /** On an image: the builder's machine-id, host key and login key, separated by spaces. */
  builder: tagKey("builder"),
  /** On an image: the base image, for people. */
  baseDescription: tagKey("base-description"),
  /** On an image: the recipe's name. */
  recipeName: tagKey("name"),
} as const;
