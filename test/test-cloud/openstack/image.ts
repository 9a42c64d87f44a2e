// The fake Glance (v2): images with properties, content, members.
import { createHash, randomUUID } from "node:crypto";
import { existing, Refused, type Answer, type Call, type Route } from "./http.ts";
import type { Image } from "./state.ts";

/** Images per page of a list. */
const pageSize = 25;

export const imageRoutes: Route[] = [
  ["GET", /^\/images$/, listImages],
  ["POST", /^\/images$/, makeImage],
  ["PUT", /^\/images\/([^/]+)\/file$/, fillImage],
  ["GET", /^\/images\/([^/]+)$/, (call, id) => ({ status: 200, body: find(call, id) })],
  ["PATCH", /^\/images\/([^/]+)$/, patchImage],
  ["DELETE", /^\/images\/([^/]+)$/, deleteImage],
  ["GET", /^\/images\/([^/]+)\/members$/, listMembers],
  ["POST", /^\/images\/([^/]+)\/members$/, addMember],
  ["DELETE", /^\/images\/([^/]+)\/members\/([^/]+)$/, removeMember],
];

function find({ region, project }: Call, id: string): Image {
  const image = existing(region.images, id, "No image found with ID");
  if (image.visibility !== "public" && image.owner !== project) throw new Refused(404, `No image found with ID ${id}`);
  return image;
}

function listImages({ region, query, project }: Call): Answer {
  const filters = [...query].filter(([key]) => !["limit", "marker", "sort", "sort_key", "sort_dir"].includes(key));
  const matching = [...region.images.values()]
    .filter((image) => image.visibility === "public" || image.owner === project)
    .filter((image) => filters.every(([key, value]) => String(image[key]) === value))
    .sort((one, other) => other.created_at.localeCompare(one.created_at) || one.id.localeCompare(other.id));
  const start = matching.findIndex(({ id }) => id === query.get("marker")) + 1;
  const limit = Number(query.get("limit") ?? pageSize);
  const page = matching.slice(start, start + limit);
  const hasMore = matching.length > start + limit;
  const next = hasMore
    ? { next: `/v2/images?${new URLSearchParams([...filters, ["marker", page.at(-1)!.id]]).toString()}` }
    : {};
  return { status: 200, body: { images: page, ...next } };
}

/** https://docs.openstack.org/api-ref/image/v2/#create-image */
function makeImage({ region, project, body }: Call): Answer {
  const id = randomUUID();
  region.images.set(id, {
    ...{ status: "queued", size: null, checksum: null, os_hash_algo: null, os_hash_value: null },
    ...{ created_at: new Date().toISOString(), tags: [], protected: false, min_disk: 0, min_ram: 0 },
    ...(body as { name: string; visibility: string }),
    ...{ id, owner: project },
  });
  const headers = { "openstack-image-import-methods": "glance-direct,web-download" };
  return { status: 201, body: region.images.get(id), headers };
}

/** https://docs.openstack.org/api-ref/image/v2/#upload-binary-image-data */
async function fillImage(call: Call, id: string): Promise<Answer> {
  const image = find(call, id);
  if (call.headers["content-type"] !== "application/octet-stream") throw new Refused(415, "Unsupported Media Type");
  if (image.status !== "queued") throw new Refused(409, `Image status transition from ${image.status} to saving`);
  image.status = "saving";
  const content = call.body as Buffer;
  await call.region.step();
  const end = call.region.faults.uploadEnds.shift();
  const hash = createHash("sha512").update(content);
  if (end === "other content") hash.update("more");
  Object.assign(image, { size: content.length, os_hash_algo: "sha512", os_hash_value: hash.digest("hex") });
  image.checksum = createHash("md5").update(content).digest("hex");
  if (end === undefined || end === "other content") await call.region.hypervisor.importImage?.(image, content);
  image.status = end === undefined || end === "other content" ? "active" : end;
  return { status: 204 };
}

function patchImage(call: Call, id: string): Answer {
  const image = find(call, id);
  if (call.headers["content-type"] !== "application/openstack-images-v2.1-json-patch") {
    throw new Refused(415, "Unsupported Media Type");
  }
  if (image.owner !== call.project) throw new Refused(403, "You are not permitted to modify this image.");
  for (const { op, path, value } of call.body as { op: string; path: string; value?: unknown }[]) {
    const key = path.slice(1).replaceAll("~1", "/").replaceAll("~0", "~");
    if (op !== "add" && !(key in image)) throw new Refused(409, `Property ${key} does not exist.`);
    if (["id", "status", "size", "created_at"].includes(key))
      throw new Refused(403, `Attribute '${key}' is read-only.`);
    if (op === "remove") delete image[key];
    else image[key] = value;
  }
  return { status: 200, body: image };
}

async function deleteImage(call: Call, id: string): Promise<Answer> {
  const image = find(call, id);
  if (image.owner !== call.project) throw new Refused(403, "You are not permitted to delete this image.");
  if (image.protected === true) throw new Refused(403, `Image ${id} is protected and cannot be deleted.`);
  await call.region.hypervisor.removeImage(image);
  call.region.images.delete(id);
  call.region.members.delete(id);
  return { status: 204 };
}

function listMembers(call: Call, id: string): Answer {
  find(call, id);
  const members = [...(call.region.members.get(id) ?? [])];
  const shown = members.map(([member_id, status]) => ({ image_id: id, member_id, status }));
  return { status: 200, body: { members: shown } };
}

function addMember(call: Call, id: string): Answer {
  const image = find(call, id);
  if (image.visibility !== "shared") throw new Refused(403, "Only shared images have members.");
  const { member } = call.body as { member: string };
  const members = call.region.members.get(id) ?? new Map<string, string>();
  if (members.has(member)) throw new Refused(409, `Image member ${member} already exists`);
  call.region.members.set(id, members.set(member, "pending"));
  return { status: 200, body: { image_id: id, member_id: member, status: "pending" } };
}

function removeMember(call: Call, id: string, member: string): Answer {
  find(call, id);
  if (!call.region.members.get(id)?.delete(member)) throw new Refused(404, `${member} not found`);
  return { status: 204 };
}
