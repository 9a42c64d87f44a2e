// The settings of stack `gce`: what stands in Pulumi.<stack>.yaml under `ci-images:gce`. No SDK may be imported here:
// every stack reads this file.
import type { Schema } from "../../provision/recipe/schema.ts";
import { chosenBases, loginUser } from "../shared/chosen-bases.ts";
import type { ZoneSetting } from "./zone.ts";

/** A base image that the user chose for one distribution, instead of the one that components/gce/bases.ts looks up. */
export interface ChosenBase {
  /** The project that it is in; without it, the stack's own. */
  project?: string;
  /** The newest image of this family. */
  family?: string;
  /** The image of this name and no other. */
  image?: string;
  /** The account to log in as, where it is not to be the distribution's own. */
  user?: string;
}

/** `ci-images:gce`, checked and with its defaults. */
export interface GceSettings {
  /** The project's id; without it, that of the environment or of the credentials. */
  project?: string;
  /** Where builders run: one zone, or one for each distribution. Images are global. */
  zone: ZoneSetting;
  /** What the machines run on: decides the base image. */
  architecture: "amd64" | "arm64";
  /** The machine type of builders; without it, a small one of the architecture. */
  machineType?: string;
  /** The size of the builder's disk, and of the images, in GB. */
  diskSize: number;
  diskType: string;
  /** A network's name, or its path where it is another project's. */
  network: string;
  /** A subnetwork's name or path; without it, the network's own of the region. */
  subnetwork?: string;
  /** False reaches builders by their address in the network. */
  publicAddress: boolean;
  /** False makes no firewall rule: the network lets us in already. */
  firewall: boolean;
  /** How builders are reached where nobody reaches their addresses: `iap` is Google's TCP forwarding, by `gcloud`. */
  tunnel?: "iap";
  /** More network tags of builders. */
  networkTags: string[];
  /** The service account that programs on builders act as; without it, none. */
  serviceAccount?: string;
  /** True takes cheaper machines that Google may end at any time. */
  spot: boolean;
  /** True boots builders only with signed boot loaders and kernels. */
  secureBoot: boolean;
  /** Base images of the user's own choice, by distribution. */
  bases: Record<string, ChosenBase>;
  /** The family that verified images join, with {stack}, {name} and {distribution} filled in; false for none. */
  family: string | false;
  /** Where images are stored: `eu`, `europe-west1`; without it, where Google puts them. */
  storageLocations: string[];
  /** The bucket through which images that were baked on this computer are imported. */
  bucket?: string;
  /** Guest OS features of the images beside those of the base image. */
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
