// The test cloud for stack `ec2`: moto, containers and the aws plugin's stand-in.
//
//   const cloud = await Ec2Cloud.open();
//   makePlace(cloud.variables)        a stack on it
//   cloud.api.faults.add(...)         injects faults
//   await cloud.leftovers()           everything except base images
//   await cloud.close()
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  type Image,
  type Instance,
} from "@aws-sdk/client-ec2";
import { awsVariables, startMoto, type Moto, type MotoImage } from "../emulators/moto.ts";
import { awsStandIn } from "./aws/stand-in.ts";
import { DataCentre } from "./data-centre.ts";
import { Ec2Api } from "./ec2/api.ts";
import { Hub } from "./hub.ts";

/** Accounts that publish images. */
const [debian, canonical] = ["136693071363", "099720109477"];

/** The AMI that Debian 12 bakes start from. */
export const baseImage: MotoImage = {
  ami_id: "ami-0debian12base0001",
  name: "debian-12-amd64-20260901-2222",
  description: "Debian 12 (20260901-2222)",
  owner_id: debian,
  architecture: "x86_64",
  creation_date: "2026-09-01T00:00:00.000Z",
};

/** Another Debian AMI, which no bake uses. */
export const olderBase: MotoImage = {
  ...baseImage,
  ami_id: "ami-0debian11base0001",
  name: "debian-11-amd64-20240211-1654",
  description: "Debian 11 (20240211-1654)",
  creation_date: "2024-02-11T00:00:00.000Z",
};

/** Older than {@link baseImage} until `releaseBase` makes it the newest. */
export const newerBase: MotoImage = {
  ...baseImage,
  ami_id: "ami-0debian12base0002",
  name: "debian-12-amd64-20261101-2300",
  description: "Debian 12 (20261101-2300)",
  creation_date: "2020-01-01T00:00:00.000Z",
};

/** Base images of other distributions. All of them contain Debian 12. */
const others: Record<string, { id: string; name: string; owner: string; user: string }> = {
  debian13: { id: "ami-0debian13base0001", name: "debian-13-amd64-20260902-2223", owner: debian, user: "admin" },
  "ubuntu22.04": { id: "ami-0ubuntu22base0001", name: "ubuntu-jammy-22.04-amd64", owner: canonical, user: "ubuntu" },
  "ubuntu24.04": { id: "ami-0ubuntu24base0001", name: "ubuntu-noble-24.04-amd64", owner: canonical, user: "ubuntu" },
};

/** The region in which tests bake, then regions for copies. */
export const regions = ["eu-central-1", "eu-west-1", "us-east-1"];

/** Canonical's images by id, because moto can't have the SSM parameters that Canonical publishes them under. */
export const chosenBases = Object.fromEntries(
  Object.entries(others)
    .filter(([, { owner }]) => owner === canonical)
    .map(([distribution, { id }]) => [distribution, { id }]),
);

function imageOf(id: string, { name, owner }: { name: string; owner: string }): MotoImage {
  return { ...baseImage, ami_id: id, name, description: name, owner_id: owner };
}

/** A whole cloud. */
export class Ec2Cloud {
  /** Everything that existed in the beginning. */
  private given: string[] = [];

  private constructor(
    readonly api: Ec2Api,
    private readonly dataCentre: DataCentre,
    private readonly moto: Moto,
    private readonly hub: Hub,
  ) {}

  /**
   * Starts a cloud that has only base images.
   * @param distributions Distributions beside Debian 12.
   * @param given Additional images, which can't be booted.
   */
  static async open(
    distributions: readonly string[] = [],
    network?: string,
    given: readonly MotoImage[] = [],
  ): Promise<Ec2Cloud> {
    const more = distributions.map((distribution) => others[distribution]);
    const images = [baseImage, newerBase, olderBase, ...more.map(({ id, ...rest }) => imageOf(id, rest)), ...given];
    const [dataCentre, moto] = await Promise.all([DataCentre.open(network), startMoto(images)]);
    // Debian's own AMIs have the user `admin`.
    for (const { ami_id: id } of [baseImage, olderBase]) await dataCentre.addBase(id, "admin");
    for (const { id, user } of more) await dataCentre.addBase(id, user);
    const api = await Ec2Api.start(dataCentre, moto.url);
    const hub = await Hub.open(dataCentre.folder, [awsStandIn({ endpoint: api.url, region: regions[0] })]);
    const cloud = new Ec2Cloud(api, dataCentre, moto, hub);
    cloud.given = await cloud.leftovers();
    return cloud;
  }

  /** Environment variables for its users. */
  get variables(): Record<string, string> {
    return { ...awsVariables(this.api.url), ...this.hub.variables(process.env.PATH ?? "") };
  }

  /** Our images in a region. */
  async images(region = regions[0]): Promise<Image[]> {
    return (await this.api.client(region).send(new DescribeImagesCommand({ Owners: ["self"] }))).Images ?? [];
  }

  /** Instances that are not terminated. */
  async instances(region = regions[0]): Promise<Instance[]> {
    const { Reservations } = await this.api.client(region).send(new DescribeInstancesCommand({}));
    const all = (Reservations ?? []).flatMap(({ Instances }) => Instances ?? []);
    return all.filter(({ State }) => State?.Name !== "terminated");
  }

  /** Adds files to Debian's AMIs, by path. */
  async install(files: Record<string, { content: string; mode?: number }>): Promise<void> {
    for (const [path, { content, mode }] of Object.entries(files))
      await this.dataCentre.put("admin", path, content, mode);
  }

  /** Publishes a newer Debian AMI. @returns its name. */
  releaseBase(): string {
    this.api.images.creationDates.set(newerBase.ami_id, "2026-11-01T00:00:00.000Z");
    return newerBase.name;
  }

  /** Stops an instance and waits until it is stopped. */
  async stop(id: string, region = regions[0]): Promise<void> {
    await this.api.stop(region, id);
  }

  /** Lists everything in all regions except base images and `kept`, e.g. `instance i-... in eu-central-1`. */
  async leftovers(kept: { images?: readonly (string | undefined)[] } = {}): Promise<string[]> {
    await this.api.settled();
    const found = await Promise.all(regions.map((region) => this.thingsIn(region, kept.images ?? [])));
    const things = [...found.flat(), ...this.dataCentre.machineIds.map((id) => `container of ${id}`)];
    return things.filter((thing) => !this.given.includes(thing));
  }

  async close(): Promise<void> {
    await this.hub.close();
    await this.api.close();
    await this.dataCentre.close();
    await this.moto.stop();
  }

  private async thingsIn(region: string, kept: readonly (string | undefined)[]): Promise<string[]> {
    const client = this.api.client(region);
    const [instances, images, snapshots, volumes, keys, groups] = await Promise.all([
      this.instances(region),
      this.images(region),
      client.send(new DescribeSnapshotsCommand({ OwnerIds: ["self"] })),
      client.send(new DescribeVolumesCommand({})),
      client.send(new DescribeKeyPairsCommand({})),
      client.send(new DescribeSecurityGroupsCommand({})),
    ]);
    const isKept = ({ ImageId }: Image) => kept.includes(ImageId);
    const mappings = images.filter(isKept).flatMap(({ BlockDeviceMappings }) => BlockDeviceMappings ?? []);
    const needed = mappings.map(({ Ebs }) => Ebs?.SnapshotId);
    const things = {
      instance: instances.map(({ InstanceId }) => InstanceId),
      image: images.filter((image) => !isKept(image)).map(({ ImageId, Name }) => `${ImageId} (${Name})`),
      snapshot: (snapshots.Snapshots ?? []).map((each) => each.SnapshotId).filter((id) => !needed.includes(id)),
      volume: (volumes.Volumes ?? []).map(({ VolumeId }) => VolumeId),
      "key pair": (keys.KeyPairs ?? []).map(({ KeyName }) => KeyName),
      "security group": (groups.SecurityGroups ?? [])
        .map((each) => each.GroupName)
        .filter((name) => name !== "default"),
    };
    return Object.entries(things).flatMap(([kind, ids]) => ids.map((id) => `${kind} ${id} in ${region}`));
  }
}
