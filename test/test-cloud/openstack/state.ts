// The fake OpenStack's state: one Region object per region, with plain objects in the shape of the APIs' answers.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./faults.ts";

export interface Server {
  id: string;
  name: string;
  /** BUILD, ACTIVE, SHUTOFF, ERROR. */
  status: string;
  /** `OS-EXT-STS:task_state`: Nova's running task, or null. */
  taskState: string | null;
  metadata: Record<string, string>;
  tags: string[];
  flavor: string;
  /** Empty for a server that boots from a volume. */
  imageId: string;
  keyName: string | null;
  securityGroups: string[];
  /** In base64, as in the request. */
  userData: string;
  networks: { name: string; address: string }[];
  /** Ids of its ports. */
  ports: string[];
  volumes: string[];
  created: string;
  fault?: { code: number; message: string };
}

/** A Glance image: standard fields and custom properties side by side, as in Glance's answers. */
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

/**
 * The machines and disks behind the API. The default does nothing and uses 127.0.0.1; the test cloud uses containers.
 */
export interface Hypervisor {
  /**
   * Boots a machine from the image, and resolves when it has an address. A failure sets the server's status to ERROR.
   */
  boot(server: Server, image: Image | undefined): Promise<{ address: string }>;
  /** Shuts a machine down cleanly, and resolves when it is down. */
  stop(server: Server): Promise<void>;
  /** Starts a stopped machine. */
  start(server: Server): Promise<void>;
  /** Removes a machine in any state, with its disk. */
  remove(server: Server): Promise<void>;
  /** Copies the machine's disk. If it fails, Nova deletes the image. @returns the image's size in bytes. */
  snapshot(server: Server, image: Image): Promise<{ size: number }>;
  /** Stores an uploaded disk. */
  importImage?(image: Image, content: Buffer): Promise<void>;
  /** Deletes an image's disk. */
  removeImage(image: Image): Promise<void>;
  /** Output of the machine's serial console. */
  console(server: Server): Promise<string>;
  /**
   * Routes a floating address to a machine's address. Without an address, removes the route.
   * @param letsIn Whether connections from a source address are allowed.
   */
  route(floating: string, address?: string, letsIn?: (source: string) => boolean): Promise<void>;
}

/** No machines at all, for tests of API calls. */
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

/** One region's state. */
export class Region {
  readonly servers = new Map<string, Server>();
  readonly images = new Map<string, Image>();
  readonly members = new Map<string, Map<string, string>>();
  readonly keypairs = new Map<string, { name: string; public_key: string; created_at?: string }>();
  readonly volumes = new Map<string, Volume>();
  readonly snapshots = new Map<string, VolumeSnapshot>();
  /**
   * Neutron's resources by collection: `networks`, `ports`, `security-groups`, `security-group-rules`, `floatingips`,
   * `subnets`.
   */
  readonly network = new Map<string, Map<string, Record<string, unknown>>>();
  /** Maximum number of servers. */
  quota = 20;
  /** Maximum number of processors; -1 for no limit. */
  coreQuota = -1;
  readonly flavors = [
    { id: "1", name: "m1.small", ram: 2048, vcpus: 1, disk: 20 },
    { id: "2", name: "m1.medium", ram: 4096, vcpus: 2, disk: 40 },
    { id: "3", name: "v1.medium", ram: 4096, vcpus: 2, disk: 0 },
  ];

  /**
   * @param name The region's name.
   * @param hypervisor The machines behind the API.
   * @param pace Milliseconds for each step of a longer operation: a boot, a shutdown, a snapshot.
   * @param faults Faults on demand.
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

  /** Adds a network for servers or floating addresses. @returns its id. */
  addNetwork(name: string, external: boolean, cidr = "127.0.0.0/8"): string {
    const id = randomUUID();
    // Other projects can't see an external network's subnets: policy get_subnet, neutron/conf/policies/subnet.py.
    const subnets = external ? [] : [this.addSubnet(id, cidr)];
    this.collection("networks").set(id, { id, name, "router:external": external, status: "ACTIVE", subnets });
    return id;
  }

  /** Adds a subnet to a network. @returns its id. */
  addSubnet(network_id: string, cidr: string): string {
    const id = randomUUID();
    this.collection("subnets").set(id, { id, network_id, cidr, ip_version: cidr.includes(":") ? 6 : 4 });
    return id;
  }

  /** Adds an image; by default an active, public one of the cloud's operator. @returns its id. */
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

  /** Waits for one step of a longer operation. */
  step(): Promise<void> {
    return sleep(this.pace);
  }
}
