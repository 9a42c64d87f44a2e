// The test cloud for stack `gce`: a Compute Engine whose instances are containers, and the gcp plugin's stand-in. Used
// like Ec2Cloud (ec2-cloud.ts).
import { DataCentre } from "./data-centre.ts";
import {
  startGce,
  type Disk,
  type GceApi,
  type GceOptions,
  type Hypervisor,
  type Image,
  type Instance,
} from "./gce-api.ts";
import { gcpStandIn } from "./gcp/stand-in.ts";
import { Hub } from "./hub.ts";

/** The project in which tests bake. */
export const project = "bakery";

/** The public image that Debian 12 bakes start from. */
export const baseImage = { project: "debian-cloud", name: "debian-12-bookworm-v20260910", family: "debian-12" };

/** Base images by distribution. All of them contain Debian 12. */
const bases: Record<string, typeof baseImage> = {
  debian12: baseImage,
  debian13: { project: "debian-cloud", name: "debian-13-trixie-v20260911", family: "debian-13" },
};

/** Minimum duration of an operation, in milliseconds. */
const pace = 100;

/** A whole cloud. */
export class GceCloud {
  private constructor(
    readonly api: GceApi,
    private readonly dataCentre: DataCentre,
    private readonly hub: Hub,
  ) {}

  /** Starts a cloud that has only base images. @param distributions The distributions that have one. */
  static async open(
    distributions = ["debian12"],
    network?: string,
    storage?: GceOptions["storage"],
  ): Promise<GceCloud> {
    const dataCentre = await DataCentre.open(network);
    const api = await startGce({ hypervisor: containers(dataCentre), pace, storage });
    for (const { project: publisher, name, family } of distributions.map((distribution) => bases[distribution])) {
      await dataCentre.addBase(imageKey(api.addBase(publisher, name, { family })), "debian");
    }
    return new GceCloud(api, dataCentre, await Hub.open(dataCentre.folder, [gcpStandIn(api)]));
  }

  /** Environment variables for its users. */
  get variables(): Record<string, string> {
    return { ...this.api.environment, ...this.hub.variables(process.env.PATH ?? "") };
  }

  /** Our images. */
  images(): Image[] {
    return [...this.api.project(project).images.values()];
  }

  /** Lists everything in the project except the images in `kept` (self links). */
  async leftovers(kept: { images?: readonly (string | undefined)[] } = {}): Promise<string[]> {
    const { instances, disks, firewalls } = this.api.project(project);
    const listed = {
      instance: [...instances.keys()],
      disk: [...disks.keys()],
      firewall: [...firewalls.keys()],
      image: this.images()
        .map(({ selfLink }) => selfLink)
        .filter((link) => !kept.images?.includes(link)),
      "container of": this.dataCentre.machineIds,
    };
    return Object.entries(listed).flatMap(([kind, ids]) => ids.map((id) => `${kind} ${id}`));
  }

  /** Stops the cloud. @throws Error if a request broke a rule of the API, which a test might not notice otherwise. */
  async close(): Promise<void> {
    const { violations } = this.api;
    await this.hub.close();
    await this.api.close();
    await this.dataCentre.close();
    if (violations.length > 0) throw new Error(`requests broke rules of the Compute API:\n${violations.join("\n")}`);
  }
}

function imageKey({ id }: Image): string {
  return `image-${id}`;
}

function diskKey({ id }: Disk): string {
  return `disk-${id}`;
}

function machineKey({ id }: Instance): string {
  return `vm-${id}`;
}

/** Disks are roots without a machine. A machine works on its own copy, which its disk gets back when it is removed. */
function containers(dataCentre: DataCentre): Hypervisor {
  /** Machines by their boot disk's link. */
  const holders = new Map<string, Instance>();
  const linkOf = (instance: Instance) => instance.disks.find(({ boot }) => boot)!.source;
  const diskKeys = new Map<string, string>();
  return {
    async makeDisk(disk, image) {
      if (!image) throw new Error(`the disk ${disk.name} has no image`);
      diskKeys.set(disk.selfLink, diskKey(disk));
      dataCentre.copyImage(imageKey(image), diskKey(disk));
    },
    async removeDisk(disk) {
      diskKeys.delete(disk.selfLink);
      await dataCentre.removeImage(diskKey(disk));
    },
    async start(instance, bootDisk) {
      const there = dataCentre.machine(machineKey(instance));
      if (there) {
        // A stopped instance has lost its ephemeral address.
        there.move();
        await there.start();
        return { address: there.address };
      }
      const machine = await dataCentre.boot(machineKey(instance), diskKey(bootDisk), birthOf(instance));
      holders.set(bootDisk.selfLink, instance);
      return { address: machine.address };
    },
    stop: async (instance) => dataCentre.machine(machineKey(instance))?.stop(),
    async remove(instance) {
      const link = linkOf(instance);
      const key = diskKeys.get(link);
      holders.delete(link);
      const machine = dataCentre.machine(machineKey(instance));
      if (machine && key !== undefined) {
        await machine.stop();
        const before = `${key}-before`;
        dataCentre.copyImage(key, before);
        await dataCentre.commit(machineKey(instance), key);
        await dataCentre.removeImage(before);
      }
      await dataCentre.remove(machineKey(instance));
    },
    async makeImage(image, source) {
      if ("image" in source) return dataCentre.copyImage(imageKey(source.image), imageKey(image));
      const holder = holders.get(source.disk.selfLink);
      if (holder) await dataCentre.commit(machineKey(holder), imageKey(image));
      else dataCentre.copyImage(diskKey(source.disk), imageKey(image));
    },
    importDisk: (image, disk) => dataCentre.importDisk(imageKey(image), disk),
    removeImage: (image) => dataCentre.removeImage(imageKey(image)),
    console: async (instance) => (await dataCentre.machine(machineKey(instance))?.console()) ?? "",
  };
}

/**
 * Lets cloud-init do the work of Google's guest agent: accounts for the keys in `ssh-keys`, and the startup script at
 * every boot. The user data go to cloud-init unchanged.
 */
function birthOf({ metadata }: Instance) {
  const values = new Map(metadata.items.map(({ key, value }) => [key, value]));
  const users = (values.get("ssh-keys") ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [name, key] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)];
      return { name, ssh_authorized_keys: [key], sudo: ["ALL=(ALL) NOPASSWD:ALL"], shell: "/bin/bash" };
    });
  const parts = [["text/cloud-config", JSON.stringify({ users: ["default", ...users] })]];
  const script = values.get("startup-script");
  if (script !== undefined) parts.push(["text/x-shellscript-per-boot", script]);
  const boundary = "==guest-agent==";
  const text = parts
    .map(([type, body]) => `--${boundary}\nContent-Type: ${type}\nMIME-Version: 1.0\n\n${body}\n`)
    .join("");
  const vendorData = `Content-Type: multipart/mixed; boundary="${boundary}"\nMIME-Version: 1.0\n\n${text}--${boundary}--\n`;
  return { userData: values.get("user-data") ?? "", vendorData, metaData: {} };
}
