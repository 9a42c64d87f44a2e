// Typed handles on our own provider's resources for Google Compute Engine; what they do stands in components/gce/provider/resources/.
import type { Input } from "@pulumi/pulumi";
import type { Labels } from "../../common/labels.ts";
import type { BuilderIdentity } from "../../provision/builder/verification.ts";
import { namedOutputs as ownResource } from "../shared/named-outputs.ts";

type Text = Input<string>;

/** What a machine is made with. It stays so while the machine is there: a change counts for the next one. */
export interface MadeWith {
  machineType: string;
  /** In GB. */
  diskSize: number;
  diskType: string;
  network: string;
  subnetwork?: string;
  publicAddress: boolean;
  networkTags: string[];
  serviceAccount?: string;
  spot: boolean;
  secureBoot: boolean;
  /** The stack's own labels. */
  tags: Record<string, string>;
}

export interface LeaseArgs {
  project: string;
  zone: string;
  prefix: string;
  labels: Omit<Labels, "expires">;
  /** Seconds. */
  lifetime: number;
  madeWith: Omit<MadeWith, "diskSize"> & { diskSize: Input<number> };
  /** The name of the image that is made with the machine. */
  image?: string;
  /** Which image of ours it boots from: another one is another machine. */
  boots?: Text;
  /** True replaces a machine that was sealed. */
  open?: boolean;
  /** False replaces a machine that the state does not have. */
  recorded: boolean;
  /** True where the state says that the machine runs: then nothing starts one that was stopped by somebody else. */
  runs: boolean;
}

/** What a lease knows of its machine, as it was when the machine was made. */
interface LeaseOutputs {
  machine: string;
  /** ISO 8601. */
  deadline: string;
  /** Seconds. */
  lifetime: number;
  madeWith: MadeWith;
}

/** The lease of a machine. */
export const Lease = ownResource<LeaseArgs, LeaseOutputs>("gce:Lease", "machine", "deadline", "lifetime", "madeWith");
export type Lease = InstanceType<typeof Lease>;

/** Which machine a step acts on. */
export interface MachineArgs {
  project: string;
  zone: string;
  machine: Text;
  /** The instance's id. */
  instance: Text;
}

export interface ArrivalArgs extends MachineArgs {
  host: Text;
  port: Input<number>;
  user: string;
  hostKey: Text;
  privateKey: Text;
  /** Seconds. */
  patience: number;
  /** True where it is to run. */
  awake: boolean;
}

/** The first answer of a machine, and how it lets us in. */
export const Arrival = ownResource<ArrivalArgs, { sshPort: number; sshUser: string }>(
  "gce:Arrival",
  "sshPort",
  "sshUser",
);

/** Notes on a machine that its sealing begins. */
export const SealMark = ownResource<MachineArgs>("gce:SealMark");

/** Ends the builder and keeps its disk. */
export const Retirement = ownResource<MachineArgs>("gce:Retirement");

/** Ends a throw-away machine, disk and all. */
export const TrialRetirement = ownResource<MachineArgs>("gce:TrialRetirement");

/** Makes room for the image: removes what is left of one that came to nothing. */
export const Clearing = ownResource<{ project: string; image: string; instance: Text }>("gce:Clearing");

/** Drops the builder's disk once there is an image of it. */
export const DiskDrop = ownResource<Omit<MachineArgs, "instance"> & { image: Text }>("gce:DiskDrop");

export interface PromotionArgs {
  project: string;
  image: Text;
  builtAt: Text;
  how: Text;
  report: Text;
}

/** Makes a verified image a proven one. */
export const Promotion = ownResource<PromotionArgs>("gce:Promotion");

/** The membership of a proven image in a family. */
export const Family = ownResource<{ project: string; image: Text; family: string }>("gce:Family");

export interface ImportLeaseArgs {
  project: string;
  bucket: string;
  object: string;
  image: string;
  /** Seconds. */
  lifetime: number;
}

/** The lease of an import. */
export const ImportLease = ownResource<ImportLeaseArgs, { expires: string }>("gce:ImportLease", "expires");

export interface ImportedImageArgs {
  project: string;
  name: string;
  /** Only when it is to be made; see components/gce/provider/resources/imported-image.ts. */
  importing?: {
    folder: Text;
    recipe: string;
    bucket: string;
    object: string;
    line: string;
    facts: object;
    expires: Text;
    labels: Record<string, string>;
    guestOsFeatures: string[];
    storageLocations: string[];
  };
}

/** An image of a disk that was baked on this computer. */
export const ImportedImage = ownResource<
  ImportedImageArgs,
  { name: string; selfLink: string; creationTimestamp: string; diskSizeGb: number; builder: BuilderIdentity }
>("gce:ImportedImage", "name", "selfLink", "creationTimestamp", "diskSizeGb", "builder");
