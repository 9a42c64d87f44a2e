// The test cloud for stack `rackspace`: an OpenStack whose servers are containers, and the openstack plugin's stand-in.
// Used like Ec2Cloud (ec2-cloud.ts).
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataCentre } from "./data-centre.ts";
import { Hub } from "./hub.ts";
import { startOpenStack, type Hypervisor, type Image, type OpenStackApi } from "./openstack-api.ts";
import { Relays } from "./relay.ts";
import { openstackStandIn } from "./openstack-plugin/stand-in.ts";

/** Base images with Rackspace's names. All of them contain Debian 12. */
const bases: Record<string, { name: string; user: string }> = {
  debian12: { name: "Debian 12 (Bookworm) (PVHVM)", user: "debian" },
  debian13: { name: "Debian 13 (Trixie) (PVHVM)", user: "debian" },
  "ubuntu22.04": { name: "Ubuntu 22.04 LTS (Jammy Jellyfish) (PVHVM)", user: "ubuntu" },
  "ubuntu24.04": { name: "Ubuntu 24.04 LTS (Noble Numbat) (PVHVM)", user: "ubuntu" },
};

/** Milliseconds for each step of a boot, a shutdown or a snapshot. */
const pace = 100;

/** A whole cloud. */
export class RackspaceCloud {
  private given: string[] = [];

  private constructor(
    readonly api: OpenStackApi,
    private readonly dataCentre: DataCentre,
    private readonly hub: Hub,
    private readonly relays: Relays,
    readonly regions: readonly string[],
  ) {}

  /** Starts a cloud that has only base images. @param distributions The distributions that have one, in each region. */
  static async open(regions = ["ORD"], distributions = ["debian12"], network?: string): Promise<RackspaceCloud> {
    const dataCentre = await DataCentre.open(network);
    const keyOf = (name: string) =>
      regions.map((region) => api.region(region).keypairs.get(name)?.public_key).find((key) => key !== undefined);
    const relays = new Relays();
    const api = await startOpenStack({ regions, hypervisor: containers(dataCentre, relays, keyOf), pace });
    for (const region of regions) {
      for (const { name, user } of distributions.map((distribution) => bases[distribution])) {
        const id = api.region(region).addImage({ name, created_at: "2026-09-01T00:00:00Z" });
        await dataCentre.addBase(id, user);
      }
    }
    const cloud = new RackspaceCloud(
      api,
      dataCentre,
      await Hub.open(dataCentre.folder, [openstackStandIn(api)]),
      relays,
      regions,
    );
    cloud.given = await cloud.leftovers();
    return cloud;
  }

  /** Environment variables for its users. */
  get variables(): Record<string, string> {
    return { ...this.api.environment, ...this.hub.variables(process.env.PATH ?? "") };
  }

  /** Our images in a region. */
  images(region = this.regions[0]): Image[] {
    return [...this.api.region(region).images.values()].filter(({ owner }) => owner === this.api.account.project);
  }

  /** Lists everything in all regions that is new since the start and not in `kept`. */
  async leftovers(kept: { images?: readonly (string | undefined)[] } = {}): Promise<string[]> {
    const things = this.regions.flatMap((name) => {
      const region = this.api.region(name);
      const listed = {
        server: [...region.servers.values()].map((server) => server.name),
        image: this.images(name)
          .map(({ id }) => id)
          .filter((id) => !kept.images?.includes(id)),
        "key pair": [...region.keypairs.keys()],
        volume: [...region.volumes.keys()],
        snapshot: [...region.snapshots.keys()],
        ...Object.fromEntries([...region.network].map(([collection, all]) => [collection, [...all.keys()]])),
      };
      return Object.entries(listed).flatMap(([kind, ids]) => ids.map((id) => `${kind} ${id} in ${name}`));
    });
    const machines = this.dataCentre.machineIds.map((id) => `container of ${id}`);
    return [...things, ...machines].filter((thing) => !this.given.includes(thing));
  }

  async close(): Promise<void> {
    await this.hub.close();
    await this.api.close();
    await this.relays.close();
    await this.dataCentre.close();
  }
}

/** Backs servers with containers. @param keyOf Returns a key pair's public key. */
function containers(dataCentre: DataCentre, relays: Relays, keyOf: (name: string) => string | undefined): Hypervisor {
  return {
    async boot(server, image) {
      const key = server.keyName === null ? undefined : keyOf(server.keyName);
      const birth = {
        userData: Buffer.from(server.userData, "base64").toString(),
        metaData: { "public-keys": key === undefined ? [] : [key] },
      };
      const machine = await dataCentre.boot(server.id, image!.id, birth);
      return { address: machine.address };
    },
    stop: async ({ id }) => dataCentre.machine(id)?.stop(),
    start: async ({ id }) => dataCentre.machine(id)?.start(),
    remove: ({ id }) => dataCentre.remove(id),
    async snapshot(server, image) {
      await dataCentre.commit(server.id, image.id);
      return { size: 1_000_000 };
    },
    async importImage({ id, disk_format }, content) {
      const disk = join(dataCentre.folder, `upload-${id}.${String(disk_format)}`);
      await writeFile(disk, content);
      await dataCentre.importDisk(id, disk);
      await rm(disk);
    },
    removeImage: ({ id }) => dataCentre.removeImage(id),
    route: (floating, address, letsIn) =>
      address === undefined ? relays.remove(floating) : relays.add(floating, address, letsIn),
    console: async ({ id }) => (await dataCentre.machine(id)?.console()) ?? "",
  };
}
