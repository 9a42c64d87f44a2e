// The fake Compute API's state, as plain objects in the shape of the API's answers.
import { randomBytes } from "node:crypto";

/** Fields that all resources have. */
export interface Thing {
  kind: string;
  name: string;
  id: string;
  selfLink: string;
  creationTimestamp: string;
  description?: string;
  labels?: Record<string, string>;
  labelFingerprint: string;
}

export interface AttachedDisk {
  boot: boolean;
  autoDelete: boolean;
  /** URL of the disk. */
  source: string;
  [key: string]: unknown;
}

export interface Instance extends Thing {
  /** PROVISIONING, RUNNING, STOPPING, TERMINATED. */
  status: string;
  /** URL. */
  zone: string;
  machineType: string;
  disks: AttachedDisk[];
  metadata: { items: { key: string; value: string }[]; fingerprint: string };
  networkInterfaces: { networkIP: string; accessConfigs?: { natIP?: string; [key: string]: unknown }[] }[];
  tags: { items: string[]; fingerprint: string };
  scheduling?: { maxRunDuration?: { seconds: string | number }; [key: string]: unknown };
  [key: string]: unknown;
}

export interface Disk extends Thing {
  status: string;
  zone: string;
  sizeGb: string;
  sourceImage?: string;
  /** URLs of instances. */
  users?: string[];
  [key: string]: unknown;
}

export interface Image extends Thing {
  /** PENDING, READY, FAILED. */
  status: string;
  family?: string;
  diskSizeGb: string;
  sourceDisk?: string;
  sourceImage?: string;
  architecture: string;
  guestOsFeatures: { type: string }[];
  deprecated?: { state: string; replacement?: string };
  [key: string]: unknown;
}

export interface Firewall extends Omit<Thing, "labelFingerprint"> {
  network: string;
  [key: string]: unknown;
}

/** The machines and disks behind the API. The default does nothing; the test cloud uses containers. */
export interface Hypervisor {
  /** Creates a disk's content, from an image if it has one. */
  makeDisk(disk: Disk, image: Image | undefined): Promise<void>;
  removeDisk(disk: Disk): Promise<void>;
  /** Boots a machine from its boot disk, and resolves when it has an address. A failure fails the operation. */
  start(instance: Instance, bootDisk: Disk): Promise<{ address: string }>;
  /** Shuts a machine down cleanly, and resolves when it is down. */
  stop(instance: Instance): Promise<void>;
  /** Removes a machine in any state. Its disks are removed separately. */
  remove(instance: Instance): Promise<void>;
  /** Stores an imported disk as an image. */
  importDisk?(image: Image, disk: string): Promise<void>;
  /** Copies a disk, or another image, into an image. */
  makeImage(image: Image, source: { disk: Disk } | { image: Image }): Promise<void>;
  removeImage(image: Image): Promise<void>;
  /** Output of the machine's first serial port. */
  console(instance: Instance): Promise<string>;
}

/** No machines at all, for tests of API calls. */
export const noHypervisor: Hypervisor = {
  makeDisk: async () => {},
  removeDisk: async () => {},
  start: async () => ({ address: "127.0.0.1" }),
  stop: async () => {},
  remove: async () => {},
  makeImage: async () => {},
  removeImage: async () => {},
  console: async () => "login:\n",
};

/** One project's resources by name, or by `zone/name` for zonal ones. */
export class Project {
  readonly instances = new Map<string, Instance>();
  readonly disks = new Map<string, Disk>();
  readonly images = new Map<string, Image>();
  readonly firewalls = new Map<string, Firewall>();
  readonly networks = new Set(["default"]);
  /** Limits by quota name, such as `CPUS`; 1000 by default. */
  readonly quotas: Record<string, number> = {};

  constructor(readonly id: string) {}

  /** Whether only images are left of a bake. */
  get isClean(): boolean {
    return this.instances.size === 0 && this.disks.size === 0 && this.firewalls.size === 0;
  }
}

/** A new fingerprint, for every change of labels, tags or metadata. */
export function newFingerprint(): string {
  return randomBytes(6).toString("base64");
}
