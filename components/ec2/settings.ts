// The settings of stack `ec2`: key `ci-images:ec2` in Pulumi.<stack>.yaml. Every stack reads this file, so it must not
// import an SDK.
import type { Schema } from "../../provision/recipe/schema.ts";
import { chosenBases, loginUser } from "../shared/chosen-bases.ts";

/** A base image that the user chose for one distribution, in place of the lookup in components/ec2/bases.ts. */
export interface ChosenBase {
  /** This AMI and no other. */
  id?: string;
  /** The owner's account number or alias (`amazon`, `self`). Requires `name`. */
  owner?: string;
  /** The AMI's name, with wildcards `*` and `?`; the newest match is used. */
  name?: string;
  /** An SSM parameter that holds the AMI's id. */
  parameter?: string;
  /** The login account, if it differs from the one of the distribution's own AMIs. */
  user?: string;
}

/** `ci-images:ec2`, validated, with defaults filled in. */
export interface Ec2Settings {
  /** Where images are baked; by default, the region of the AWS configuration. */
  region?: string;
  /** More regions that get a copy of every proven image. */
  copyTo: string[];
  /** The machines' architecture, which determines base image and instance type. */
  architecture: "amd64" | "arm64";
  /** By default `t3.small` for amd64 and `t4g.small` for arm64. */
  instanceType?: string;
  /** The root disk, in GiB. */
  diskSize: number;
  /** Whether the root disk, snapshots and copies are encrypted. */
  encrypted: boolean;
  /** A KMS key's ARN for each region; by default, the account's default key for EBS. */
  kmsKeys: Record<string, string>;
  /** Whether to ask for spot capacity first, before falling back to an on-demand machine. */
  spot: boolean;
  /** The builders' subnet; by default, a default subnet of the default VPC. */
  subnet?: string;
  /** Whether machines are reached by their public address or the private one (through a VPN or from inside the VPC). */
  address: "public" | "private";
  /**
   * How machines are reached if their addresses can't be: through an EC2 Instance Connect Endpoint or Session Manager,
   * both with the AWS CLI.
   */
  tunnel?: "instance-connect" | "session-manager";
  /** An existing security group, instead of one made for each machine. */
  securityGroup?: string;
  /** An IAM instance profile's name, for modules that need to reach AWS. */
  instanceProfile?: string;
  /** Base images that the user chose, by distribution. */
  bases: Record<string, ChosenBase>;
  /** Account numbers that may launch the images. */
  shareWithAccounts: string[];
  /** ARNs of organizations or organizational units that may launch the images. */
  shareWithOrganizations: string[];
  /** A duration, e.g. `90 days`, after which AWS marks an image as deprecated. */
  deprecateAfter?: string;
  /** Prevents others from deregistering the images. */
  deregistrationProtection: boolean;
  /**
   * How machines should boot from the images: the base image must boot that way, and the instance type must support it.
   */
  bootMode?: "uefi" | "legacy-bios" | "uefi-preferred";
}

const region = { type: "string", pattern: "^[a-z]{2}(-[a-z]+)+-[0-9]+$", description: "a region's name: us-west-2" };
/** No alias: the provider reads the key's ARN, and would replace the machine for the difference. */
const kmsKey = {
  type: "string",
  pattern: "^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/",
  description: "a key's ARN: arn:aws:kms:us-west-2:123456789012:key/0abc...",
};
const strings = { type: "array", uniqueItems: true, default: [] };

/** The JSON schema of {@link Ec2Settings}; docs/ec2.md describes every key. */
export const ec2Schema: Schema & { properties: Record<string, Schema> } = {
  type: "object",
  additionalProperties: false,
  description: "settings of stack ec2",
  properties: {
    region,
    copyTo: { ...strings, items: region },
    architecture: { enum: ["amd64", "arm64"], default: "amd64" },
    instanceType: { type: "string", pattern: "^[a-z0-9-]+\\.[a-z0-9-]+$", description: "an instance type: t3.small" },
    diskSize: { type: "integer", minimum: 8, maximum: 16384, default: 48, description: "GiB" },
    encrypted: { type: "boolean", default: true },
    kmsKeys: { type: "object", propertyNames: region, additionalProperties: kmsKey, default: {} },
    spot: { type: "boolean", default: false },
    subnet: { type: "string", pattern: "^subnet-", description: "a subnet's id: subnet-0abc..." },
    address: { enum: ["public", "private"], default: "public" },
    tunnel: { enum: ["instance-connect", "session-manager"] },
    securityGroup: { type: "string", pattern: "^sg-", description: "a security group's id: sg-0abc..." },
    instanceProfile: { type: "string" },
    bases: chosenBases(
      {
        id: { type: "string", pattern: "^ami-", description: "an AMI's id: ami-0abc..." },
        owner: { type: "string" },
        name: { type: "string" },
        parameter: { type: "string", pattern: "^/", description: "an SSM parameter's name: /aws/service/..." },
        user: loginUser,
      },
      { dependencies: { owner: ["name"], name: ["owner"] } },
    ),
    shareWithAccounts: {
      ...strings,
      items: {
        type: "string",
        pattern: "^[0-9]{12}$",
        description: 'an account\'s twelve digits, in quotes: "123456789012"',
      },
    },
    shareWithOrganizations: {
      ...strings,
      items: {
        type: "string",
        pattern: "^arn:aws[a-z-]*:organizations::[0-9]{12}:(organization|ou)/",
        description: "an organization's or organizational unit's ARN",
      },
    },
    deprecateAfter: { type: "string", description: 'a duration: "90 days"' },
    deregistrationProtection: { type: "boolean", default: false },
    bootMode: { enum: ["uefi", "legacy-bios", "uefi-preferred"] },
  },
};
