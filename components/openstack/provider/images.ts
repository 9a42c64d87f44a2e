// Finds, marks and deletes images in Glance. https://docs.openstack.org/api-ref/image/v2/
import type { PlanDescription } from "../../../provision/plan/explain.ts";
import type { BuilderIdentity } from "../../shared/contract.ts";
import { labelKey, type Labels } from "../../../common/labels.ts";
import { openstackLabels } from "../facts/labels.ts";
import type { Region } from "./region.ts";
import { dropSnapshot } from "./volumes.ts";

/** An image: Glance's own fields, with the image's properties among them. */
export interface Image {
  id: string;
  name: string;
  /** https://docs.openstack.org/glance/latest/user/statuses.html */
  status: string;
  /** Bytes; null until it has content, 0 for an image made of volume snapshots. */
  size: number | null;
  visibility: string;
  owner: string;
  created_at: string;
  min_disk?: number;
  [property: string]: unknown;
}

/** The image with that id; undefined if it doesn't exist or we can't see it. */
export async function findImage(region: Region, id: string): Promise<Image | undefined> {
  const image = await region.find<Image>("image", `/images/${encodeURIComponent(id)}`);
  return image?.status === "deleted" ? undefined : image;
}

/**
 * Images that match all filters, newest first.
 * @param filters Fields and properties, e.g. `{ status: "active", os_distro: "debian" }`.
 */
export async function listImages(region: Region, filters: Readonly<Record<string, string>>): Promise<Image[]> {
  const images: Image[] = [];
  for (let query: string | undefined = `?${new URLSearchParams({ ...filters, limit: "100" }).toString()}`; query;) {
    const page: { images: Image[]; next?: string } = await region.send({
      service: "image",
      method: "GET",
      path: `/images${query}`,
    });
    images.push(...page.images);
    // Use only the query of the next page's address: its path may differ from the one that we reach Glance by.
    query = page.next && new URL(page.next, "http://glance").search;
  }
  return images.sort((one, other) => other.created_at.localeCompare(one.created_at));
}

/**
 * The project's images with all these labels, newest first; finished or not. Without the filter, Glance also lists public
 * images and those that other projects share, and to administrators everything.
 */
export async function imagesWith(region: Region, labels: Partial<Labels> & { machine?: string }): Promise<Image[]> {
  const filters = Object.entries(labels).map(([label, value]) => [labelKey(openstackLabels, label), value]);
  const owner = await region.projectId();
  return listImages(region, { ...(Object.fromEntries(filters) as Record<string, string>), owner });
}

/** Sets properties, and removes those that are undefined. */
export async function setProperties(
  region: Region,
  image: Image,
  properties: Readonly<Record<string, string | undefined>>,
): Promise<Image> {
  const changes = Object.entries(properties)
    .filter(([key, value]) => image[key] !== value && (value !== undefined || key in image))
    .map(([key, value]) => {
      const path = `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return value === undefined ? { op: "remove", path } : { op: key in image ? "replace" : "add", path, value };
    });
  if (changes.length === 0) return image;
  const contentType = "application/openstack-images-v2.1-json-patch";
  const path = `/images/${image.id}`;
  return region.send<Image>({ service: "image", method: "PATCH", path, body: changes, contentType });
}

/** Deletes an image and the volume snapshots that it consists of. No-op if it no longer exists. */
export async function dropImage(region: Region, id: string): Promise<void> {
  const image = await findImage(region, id);
  if (image) await region.remove("image", `/images/${id}`);
  for (const snapshot of image ? snapshotIds(image) : []) await dropSnapshot(region, snapshot);
}

/** The Cinder snapshots that the image of a volume-backed server consists of. */
export function snapshotIds(image: Image): string[] {
  const mapping = image.block_device_mapping;
  if (typeof mapping !== "string") return [];
  const devices = JSON.parse(mapping) as { snapshot_id?: string | null }[];
  return devices.map(({ snapshot_id }) => snapshot_id).filter((id) => typeof id === "string");
}

// The properties that mark a finished image. A snapshot inherits the properties of the image that its server booted
// from, so a worker's snapshot would look like one of our images. Therefore the properties that matter name their
// image.
const completeKey = labelKey(openstackLabels, "complete");
const proofKey = labelKey(openstackLabels, "proof");
const planKey = labelKey(openstackLabels, "plan");
const builderKey = labelKey(openstackLabels, "builder");

/** How an image was verified. */
export interface Proof {
  /** ISO 8601. */
  verifiedAt: string;
  how: string;
  /** How many checks passed. */
  checks: number;
}

/** The properties that mark an image as complete. */
export function completeProperties(image: Image, plan: unknown, builder: unknown): Record<string, string> {
  return { [completeKey]: image.id, [planKey]: JSON.stringify(plan), [builderKey]: JSON.stringify(builder) };
}

/** Whether we finished the image and it can be booted. */
export function isComplete(image: Image): boolean {
  return image.status === "active" && image[completeKey] === image.id;
}

/** The property that records an image's verification. */
export function proofProperty(image: Image, proof: Proof): Record<string, string> {
  return { [proofKey]: JSON.stringify({ image: image.id, ...proof }) };
}

export function isProven(image: Image): boolean {
  const proof = parsed<{ image: string }>(image, proofKey);
  return isComplete(image) && proof?.image === image.id;
}

/** Finished images of an owner no longer go with the leases of their machines: the stack declares them. */
export async function disownImages(
  region: Region,
  owner: Pick<Labels, "project" | "stack" | "distribution">,
): Promise<void> {
  for (const image of await imagesWith(region, { ...owner, role: "image" })) {
    if (isComplete(image)) await setProperties(region, image, { [labelKey(openstackLabels, "machine")]: undefined });
  }
}

/** Deletes a lease's images that were never proven. A proven image has its own record in the state. */
export async function dropUnproven(region: Region, machine: string): Promise<void> {
  for (const image of await imagesWith(region, { machine })) if (!isProven(image)) await dropImage(region, image.id);
}

/** The parts of the recipe hash, from the image's properties. */
export function planOf(image: Image): PlanDescription | undefined {
  return parsed(image, planKey);
}

/** The builder's identity, from the image's properties; empty if somebody has changed them. */
export function builderOf(image: Image): BuilderIdentity {
  return parsed<BuilderIdentity>(image, builderKey) ?? ({} as BuilderIdentity);
}

/** The value of one of our labels on the image. */
export function labelOf(image: Image, label: string): string | undefined {
  const value = image[labelKey(openstackLabels, label)];
  return typeof value === "string" ? value : undefined;
}

function parsed<T>(image: Image, key: string): T | undefined {
  const text = image[key];
  if (typeof text !== "string") return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    // Somebody edited the property by hand: it no longer proves anything.
    return undefined;
  }
}
