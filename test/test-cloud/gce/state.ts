// What the fake Compute API remembers, as plain objects in the shape that the API answers with.
import { randomBytes } from "node:crypto";

/** What all of them have. */
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

/** What machines and disks really are. The default does nothing; the test cloud brings containers. */
export interface Hypervisor {
  /** Makes a disk's content, from an image where it has one. */
  makeDisk(disk: Disk, image: Image | undefined): Promise<void>;
  removeDisk(disk: Disk): Promise<void>;
  /** Boots a machine from its boot disk; resolves when it has an address. A failure fails the operation. */
  start(instance: Instance, bootDisk: Disk): Promise<{ address: string }>;
  /** Shuts a machine down cleanly; resolves when it is down. */
  stop(instance: Instance): Promise<void>;
  /** Ends a machine, whatever it is doing. Its disks are removed by themselves. */
  remove(instance: Instance): Promise<void>;
  /** Takes a disk that was imported, for an image. */
  importDisk?(image: Image, disk: string): Promise<void>;
  /** Copies a disk, or another image, into an image. */
  makeImage(image: Image, source: { disk: Disk } | { image: Image }): Promise<void>;
  removeImage(image: Image): Promise<void>;
  /** What the machine wrote on its first serial port. */
  console(instance: Instance): Promise<string>;
}

/** Nothing real: for tests of API calls. */
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

/** One project's things, by name; zonal ones by `zone/name`. */
export class Project {
  readonly instances = new Map<string, Instance>();
  readonly disks = new Map<string, Disk>();
  readonly images = new Map<string, Image>();
  readonly firewalls = new Map<string, Firewall>();
  readonly networks = new Set(["default"]);
  /** Limits by the names of quotas, such as `CPUS`: 1000 unless told. */
  readonly quotas: Record<string, number> = {};

  constructor(readonly id: string) {}

  /** Nothing of a bake is left but images. */
  get isClean(): boolean {
    return this.instances.size === 0 && this.disks.size === 0 && this.firewalls.size === 0;
  }
}

let number = 1000;

/** A number as the API gives to everything it makes. */
export function newId(): string {
  number += 1;
  return String(number);
}

/** Another one after every change of the labels. */
export function newFingerprint(): string {
  return randomBytes(6).toString("base64");
}
