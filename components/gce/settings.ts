// The settings of stack `gce`: key `ci-images:gce` in Pulumi.<stack>.yaml. Every stack reads this file, so it must not
// import an SDK.
import type { Schema } from "../../provision/recipe/schema.ts";
import { chosenBases, loginUser } from "../shared/chosen-bases.ts";
import type { ZoneSetting } from "./zone.ts";

/** A base image that the user chose for one distribution, in place of the lookup in components/gce/bases.ts. */
export interface ChosenBase {
  /** The project that has it; by default, the stack's own. */
  project?: string;
  /** A family; its newest image is used. */
  family?: string;
  /** The name of one particular image. */
  image?: string;
  /** The login account, if it differs from the distribution's own. */
  user?: string;
}

/** `ci-images:gce`, validated, with defaults filled in. */
export interface GceSettings {
  /** The project's id; by default, that of the environment or the credentials. */
  project?: string;
  /** Where builders run: one zone, or one for each distribution. Images are global. */
  zone: ZoneSetting;
  /** The machines' architecture, which determines the base image. */
  architecture: "amd64" | "arm64";
  /** The builders' machine type; by default, a small one of the architecture. */
  machineType?: string;
  /** The size of the builder's disk, and of the images, in GB. */
  diskSize: number;
  diskType: string;
  /** A network's name, or its path if it belongs to another project. */
  network: string;
  /** A subnetwork's name or path; by default, the network's own in the region. */
  subnetwork?: string;
  /** Whether builders get a public address; if not, they are reached by their address in the network. */
  publicAddress: boolean;
  /** Whether to make firewall rules; if not, the network must let us in. */
  firewall: boolean;
  /** How builders are reached if their addresses can't be: `iap` is Google's TCP forwarding, through `gcloud`. */
  tunnel?: "iap";
  /** Additional network tags of builders. */
  networkTags: string[];
  /** The service account of programs on builders; none by default. */
  serviceAccount?: string;
  /** Whether to use cheaper machines that Google may end at any time. */
  spot: boolean;
  /** Whether builders boot only with signed boot loaders and kernels. */
  secureBoot: boolean;
  /** Base images that the user chose, by distribution. */
  bases: Record<string, ChosenBase>;
  /** A template for the family that verified images join, with {stack}, {name} and {distribution}; false for none. */
  family: string | false;
  /** Where images are stored: `eu`, `europe-west1`; by default, where Google puts them. */
  storageLocations: string[];
  /** The bucket for importing images that were baked on this computer. */
  bucket?: string;
  /** Additional guest OS features of the images, beyond the base image's. */
  guestOsFeatures: string[];
}

const text = { type: "string", minLength: 1 };
const texts = { type: "array", uniqueItems: true, items: text, default: [] };
/** https://cloud.google.com/compute/docs/naming-resources */
const name = { type: "string", pattern: "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$" };

/** The JSON schema of {@link GceSettings}; docs/gce.md describes every key. */
export const gceSchema: Schema & { properties: Record<string, Schema> } = {
  type: "object",
  additionalProperties: false,
  description: "settings of stack gce",
  properties: {
    project: { type: "string", pattern: "^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$" },
    zone: {
      anyOf: [name, { type: "object", minProperties: 1, additionalProperties: name }],
      default: "us-central1-a",
    },
    architecture: { enum: ["amd64", "arm64"], default: "amd64" },
    machineType: text,
    diskSize: { type: "integer", minimum: 10, maximum: 65536, default: 48 },
    diskType: { ...text, default: "pd-balanced" },
    network: { ...text, default: "default" },
    subnetwork: text,
    publicAddress: { type: "boolean", default: true },
    firewall: { type: "boolean", default: true },
    tunnel: { enum: ["iap"] },
    networkTags: { type: "array", uniqueItems: true, items: name, default: [] },
    serviceAccount: { type: "string", pattern: "^[^@\\s]+@[^@\\s]+$" },
    spot: { type: "boolean", default: false },
    secureBoot: { type: "boolean", default: false },
    bases: chosenBases({ project: text, family: name, image: name, user: loginUser }),
    family: { anyOf: [{ type: "string", minLength: 1 }, { const: false }], default: "{stack}-{name}-{distribution}" },
    storageLocations: texts,
    // https://cloud.google.com/storage/docs/buckets#naming
    bucket: { type: "string", pattern: "^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$" },
    guestOsFeatures: {
      type: "array",
      uniqueItems: true,
      items: { type: "string", pattern: "^[A-Z0-9_]+$" },
      default: [],
    },
  },
};
