// The settings of a stack on an OpenStack: key `ci-images:openstack` or `ci-images:rackspace` in Pulumi.<stack>.yaml.
// Every stack reads this file, so it must not import an SDK.
import type { Schema } from "../../provision/recipe/schema.ts";
import { chosenBases, loginUser } from "../shared/chosen-bases.ts";

/** A base image that the user chose for one distribution, in place of the lookup in components/openstack/bases.ts. */
export interface ChosenBase {
  /** The id of one particular image. */
  id?: string;
  /** The image's exact name; the newest match is used. */
  name?: string;
  /** The login account, if it differs from the distribution's own: `root`. */
  user?: string;
}

/** `ci-images:openstack` or `ci-images:rackspace`, validated, with defaults filled in. */
export interface OpenStackSettings {
  /** The regions to bake in, an image in each; by default, the region that the credentials name. */
  regions: string[];
  /** Name or id of the builders' flavor; no default, as clouds have no flavor in common. */
  flavor?: string;
  /** The machines' architecture, which determines the base image. */
  architecture: "amd64" | "arm64";
  /** Names or ids of the builders' networks, the login network first; by default, the project's only one. */
  networks: string[];
  /** Name or id of the network for floating addresses; without it, builders are reached by their own address. */
  floatingNetwork?: string;
  /** Boots builders from a volume of that many GiB instead of the flavor's disk; images are then volume snapshots. */
  volume?: { size: number; type?: string };
  availabilityZone?: string;
  /** Whether builders get their user data on a drive, for clouds without a metadata service. */
  configDrive: boolean;
  /** The format for uploading an image that was baked on this computer. */
  diskFormat: "qcow2" | "raw";
  /** Base images that the user chose, by distribution. */
  bases: Record<string, ChosenBase>;
  /** More image properties, for the hypervisor: `hw_disk_bus: scsi`. */
  properties: Record<string, string>;
  /** Who sees the verified images. */
  visibility: "private" | "shared" | "community" | "public";
  /** Ids of the projects that `shared` images are offered to. */
  members: string[];
}

const name = { type: "string", minLength: 1, maxLength: 255 };
const names = { type: "array", uniqueItems: true, items: name, default: [] };

/** The JSON schema of {@link OpenStackSettings}; docs/openstack.md describes every key. */
export const openstackSchema: Schema & { properties: Record<string, Schema> } = {
  type: "object",
  additionalProperties: false,
  properties: {
    regions: names,
    flavor: name,
    architecture: { enum: ["amd64", "arm64"], default: "amd64" },
    networks: names,
    floatingNetwork: name,
    volume: {
      type: "object",
      additionalProperties: false,
      required: ["size"],
      properties: { size: { type: "integer", minimum: 1, description: "GiB" }, type: name },
    },
    availabilityZone: name,
    configDrive: { type: "boolean", default: false },
    diskFormat: { enum: ["qcow2", "raw"], default: "qcow2" },
    bases: chosenBases({ id: name, name, user: loginUser }),
    properties: { type: "object", additionalProperties: { type: "string", maxLength: 255 }, default: {} },
    visibility: { enum: ["private", "shared", "community", "public"], default: "private" },
    members: names,
  },
};
