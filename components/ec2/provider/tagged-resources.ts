// Finds our resources in a region by their tags (common/labels.ts), and sets tags.
import type { Filter, Image, Instance, Snapshot, Tag } from "@aws-sdk/client-ec2";
import { imageNamePatterns, wantedImageName } from "../facts/image-names.ts";
import { tagKey } from "../facts/tags.ts";
import { ec2, isGone } from "./client.ts";

/** Tags by name. */
export type Tags = Readonly<Record<string, string>>;

export function tagsOf(thing: { Tags?: Tag[] }): Record<string, string> {
  return Object.fromEntries((thing.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
}

/** Filters by tags for DescribeInstances and similar calls. */
export function tagFilters(tags: Tags) {
  return Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));
}

/** States in which an instance still costs money or can run again. */
const alive = ["pending", "running", "stopping", "stopped", "shutting-down"];

/** Instances with these tags that are not terminated. */
export async function findInstances(region: string, tags: Tags): Promise<Instance[]> {
  const { paginateDescribeInstances } = await import("@aws-sdk/client-ec2");
  const Filters = [...tagFilters(tags), { Name: "instance-state-name", Values: alive }];
  const found: Instance[] = [];
  for await (const page of paginateDescribeInstances({ client: await ec2(region) }, { Filters })) {
    found.push(...(page.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []));
  }
  return found;
}

/** @returns undefined if AWS doesn't know it, or no longer does. */
export async function findInstance(region: string, id: string): Promise<Instance | undefined> {
  try {
    const { Reservations } = await (await ec2(region)).describeInstances({ InstanceIds: [id] });
    return Reservations?.[0]?.Instances?.[0];
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Our images with these tags, in any state but deregistered. */
export function findImages(region: string, tags: Tags): Promise<Image[]> {
  return describeOwnImages(region, tagFilters(tags));
}

/**
 * Images with one of our names but none of our tags. The official copy resource adds tags only after AWS has accepted
 * the copy (internal/service/ec2/ec2_ami_copy.go of hashicorp/terraform-provider-aws). If it is killed in between, it
 * leaves an untagged image.
 * @param wanted Assigned names, of any attempt.
 */
export async function findUntaggedImages(region: string, wanted: readonly string[]): Promise<Image[]> {
  if (wanted.length === 0) return [];
  const names = new Set(wanted.map(wantedImageName));
  const found = await describeOwnImages(region, [{ Name: "name", Values: [...names].flatMap(imageNamePatterns) }]);
  // The patterns also match an image that somebody called `NAME-backup`.
  const ours = found.filter(({ Name = "" }) => names.has(wantedImageName(Name)));
  return ours.filter((image) => tagsOf(image)[tagKey("project")] === undefined);
}

/** The account's own images whose disks are on this snapshot. */
export async function imagesOn(region: string, snapshot: string): Promise<Image[]> {
  return (await describeOwnImages(region, [])).filter((image) => snapshotsOf(image).includes(snapshot));
}

async function describeOwnImages(region: string, Filters: Filter[]): Promise<Image[]> {
  const { paginateDescribeImages } = await import("@aws-sdk/client-ec2");
  const query = { Owners: ["self"], Filters, IncludeDeprecated: true, IncludeDisabled: true };
  const found: Image[] = [];
  for await (const page of paginateDescribeImages({ client: await ec2(region) }, query)) {
    found.push(...(page.Images ?? []));
  }
  return found.filter(({ State }) => State !== "deregistered");
}

/** @returns undefined if it doesn't exist, or no longer does. */
export async function findImage(region: string, id: string): Promise<Image | undefined> {
  const query = { ImageIds: [id], IncludeDeprecated: true, IncludeDisabled: true };
  try {
    const { Images } = await (await ec2(region)).describeImages(query);
    return Images?.find(({ State }) => State !== "deregistered");
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Our snapshots with these tags. */
export async function findSnapshots(region: string, tags: Tags): Promise<Snapshot[]> {
  const { paginateDescribeSnapshots } = await import("@aws-sdk/client-ec2");
  const query = { OwnerIds: ["self"], Filters: tagFilters(tags) };
  const found: Snapshot[] = [];
  for await (const page of paginateDescribeSnapshots({ client: await ec2(region) }, query)) {
    found.push(...(page.Snapshots ?? []));
  }
  return found;
}

/** The snapshots that hold an image's disks. */
export function snapshotsOf(image: Image): string[] {
  return (image.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []);
}

/** Adds tags to resources; keeps the ones they have. */
export async function putTags(region: string, ids: readonly string[], tags: Tags): Promise<void> {
  if (ids.length === 0) return;
  const list = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  await (await ec2(region)).createTags({ Resources: [...ids], Tags: list });
}
