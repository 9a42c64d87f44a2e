// What the fake OpenStack remembers: one Region each, as plain objects in the shape that the APIs answer with.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./faults.ts";

export interface Server {
  id: string;
  name: string;
  /** BUILD, ACTIVE, SHUTOFF, ERROR. */
  status: string;
  /** `OS-EXT-STS:task_state`: what Nova is doing with it, null when nothing. */
  taskState: string | null;
  metadata: Record<string, string>;
  tags: string[];
  flavor: string;
  /** Empty for a server that boots from a volume. */
  imageId: string;
  keyName: string | null;
  securityGroups: string[];
  /** As it was sent, base64. */
  userData: string;
  networks: { name: string; address: string }[];
  /** Ports that it was plugged into. */
  ports: string[];
  volumes: string[];
  created: string;
  fault?: { code: number; message: string };
}

/** A Glance image: the known fields, and its own properties beside them, as Glance answers. */
export interface Image {
  id: string;
  name: string;
  status: string;
  size: number | null;
  visibility: string;
  owner: string;
  created_at: string;
  [property: string]: unknown;
}

export interface Volume {
  id: string;
  status: string;
  size: number;
  deleteOnTermination: boolean;
}

export interface VolumeSnapshot {
  id: string;
  volume_id: string;
  status: string;
}

/** What machines and disks really are. The default does nothing and answers at 127.0.0.1; the test cloud brings containers. */
export interface Hypervisor {
  /** Starts a machine with the image's disk; resolves when it has an address. A failure makes the server's status ERROR. */
  boot(server: Server, image: Image | undefined): Promise<{ address: string }>;
  /** Shuts a machine down cleanly; resolves when it is down. */
  stop(server: Server): Promise<void>;
  /** Starts a machine that was stopped. */
  start(server: Server): Promise<void>;
  /** Ends a machine, whatever it is doing, and drops its disk. */
  remove(server: Server): Promise<void>;
  /** Copies the machine's disk. @returns the image's size in bytes. A failure makes Nova drop the image. */
  snapshot(server: Server, image: Image): Promise<{ size: number }>;
  /** Takes a disk that was uploaded. */
  importImage?(image: Image, content: Buffer): Promise<void>;
  /** Drops an image's disk. */
  removeImage(image: Image): Promise<void>;
  /** What the machine wrote on its serial console. */
  console(server: Server): Promise<string>;
  /**
   * Lets a floating address lead to a machine's address, or nowhere any more.
   * @param letsIn Whether an address may come in.
   */
  route(floating: string, address?: string, letsIn?: (source: string) => boolean): Promise<void>;
}

/** Nothing real: for tests of API calls. */
export const noHypervisor: Hypervisor = {
  boot: async () => ({ address: "127.0.0.1" }),
  stop: async () => {},
  start: async () => {},
  remove: async () => {},
  snapshot: async () => ({ size: 1_000_000 }),
  removeImage: async () => {},
  console: async () => "login:\n",
  route: async () => {},
};

/** One region's world. */
export class Region {
  readonly servers = new Map<string, Server>();
  readonly images = new Map<string, Image>();
  readonly members = new Map<string, Map<string, string>>();
  readonly keypairs = new Map<string, { name: string; public_key: string; created_at?: string }>();
  readonly volumes = new Map<string, Volume>();
  readonly snapshots = new Map<string, VolumeSnapshot>();
  /** Neutron's things by collection: `networks`, `ports`, `security-groups`, `security-group-rules`, `floatingips`, `subnets`. */
  readonly network = new Map<string, Map<string, Record<string, unknown>>>();
  /** How many servers there may be. */
  quota = 20;
  /** How many processors they may have; -1 for any number. */
  coreQuota = -1;
  readonly flavors = [
    { id: "1", name: "m1.small", ram: 2048, vcpus: 1, disk: 20 },
    { id: "2", name: "m1.medium", ram: 4096, vcpus: 2, disk: 40 },
    { id: "3", name: "v1.medium", ram: 4096, vcpus: 2, disk: 0 },
  ];

  /**
   * @param name The region's name.
   * @param hypervisor What its machines are.
   * @param pace Milliseconds that each step of a longer operation takes: a boot, a shutdown, a snapshot.
   * @param faults What goes wrong on demand.
   */
  constructor(
    readonly name: string,
    readonly hypervisor: Hypervisor,
    readonly pace: number,
    readonly faults: Faults,
  ) {
    this.addNetwork("private", false);
    this.addNetwork("public", true);
  }

  /** A network that servers or floating addresses can be on. */
  addNetwork(name: string, external: boolean, cidr = "127.0.0.0/8"): string {
    const id = randomUUID();
    // Of an external network others see no subnets: policy get_subnet, neutron/conf/policies/subnet.py.
    const subnets = external ? [] : [this.addSubnet(id, cidr)];
    this.collection("networks").set(id, { id, name, "router:external": external, status: "ACTIVE", subnets });
    return id;
  }

  /** Addresses of a network. @returns the subnet's id. */
  addSubnet(network_id: string, cidr: string): string {
    const id = randomUUID();
    this.collection("subnets").set(id, { id, network_id, cidr, ip_version: cidr.includes(":") ? 6 : 4 });
    return id;
  }

  /** An image as somebody else's (public, active) unless told otherwise. @returns its id. */
  addImage(fields: Partial<Image> & { name: string }): string {
    const id = fields.id ?? randomUUID();
    this.images.set(id, {
      status: "active",
      size: 500_000_000,
      visibility: "public",
      owner: "cloud-operator",
      created_at: new Date().toISOString(),
      min_disk: 0,
      min_ram: 0,
      disk_format: "qcow2",
      container_format: "bare",
      tags: [],
      protected: false,
      ...fields,
      id,
    });
    return id;
  }

  collection(name: string): Map<string, Record<string, unknown>> {
    if (!this.network.has(name)) this.network.set(name, new Map());
    return this.network.get(name)!;
  }

  /** Lets one step of a longer operation take its time. */
  step(): Promise<void> {
    return sleep(this.pace);
  }
}
