// Nova's createImage, like the real one: it answers at once and fills the image later. The server is busy a little
// longer than that. Deleting the server meanwhile also deletes the image.
import { randomUUID } from "node:crypto";
import { Refused, type Answer, type Call } from "./http.ts";
import type { Image, Region, Server } from "./state.ts";

/** Handles the action `createImage`. */
export function snapshotServer({ region, body, headers, project }: Call, server: Server): Answer {
  const { name, metadata } = (body as { createImage: { name: string; metadata?: Record<string, string> } }).createImage;
  if (!["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"].includes(server.status) || server.taskState !== null) {
    throw new Refused(409, `Cannot 'createImage' instance ${server.id} while it is in task_state ${server.taskState}`);
  }
  for (const value of Object.values(metadata ?? {})) {
    if (value.length > 255) throw new Refused(400, `Invalid input for field/attribute metadata. Value: ${value}`);
  }
  // A snapshot inherits all its base image's properties except these.
  const base = region.images.get(server.imageId) ?? {};
  const fields = ["id", "name", "status", "size", "visibility", "owner", "created_at", "tags", "protected"];
  const inherited = Object.fromEntries(Object.entries(base).filter(([key]) => !fields.includes(key)));
  const id = region.addImage({
    ...inherited,
    image_type: "snapshot",
    base_image_ref: server.imageId,
    instance_uuid: server.id,
    ...metadata,
    name,
    status: "queued",
    size: null,
    visibility: "private",
    owner: project,
  });
  server.taskState = "image_snapshot";
  const image = region.images.get(id)!;
  void (server.volumes.length > 0 ? snapshotVolumes(region, server, image) : fill(region, server, image));
  const version = /compute (\d+)\.(\d+)/.exec(String(headers["openstack-api-version"] ?? ""));
  const inBody = version !== null && Number(version[1]) === 2 && Number(version[2]) >= 45;
  return inBody
    ? { status: 202, body: { image_id: id } }
    : { status: 202, headers: { location: `http://127.0.0.1:9292/images/${id}` } };
}

async function fill(region: Region, server: Server, image: Image): Promise<void> {
  const end = region.faults.snapshotEnds.shift();
  const isThere = () => region.servers.get(server.id)?.taskState !== "deleting" && region.servers.has(server.id);
  const drop = () => region.images.delete(image.id);
  await region.step();
  if (!isThere()) return void drop();
  server.taskState = "image_uploading";
  image.status = "saving";
  await region.step();
  if (end === "stuck") return;
  try {
    const { size } = await region.hypervisor.snapshot(server, image);
    if (!isThere()) return void drop();
    if (end === "gone") drop();
    else if (end === "empty") Object.assign(image, { status: "active", size: 0 });
    else if (end !== undefined) image.status = end;
    else Object.assign(image, { status: "active", size });
  } catch {
    drop();
  }
  await region.step();
  if (!isThere()) return void drop();
  server.taskState = null;
}

async function snapshotVolumes(region: Region, server: Server, image: Image): Promise<void> {
  const mapping = server.volumes.map((volume_id) => {
    const id = randomUUID();
    region.snapshots.set(id, { id, volume_id, status: "creating" });
    return { snapshot_id: id, source_type: "snapshot", destination_type: "volume", boot_index: 0, volume_size: 10 };
  });
  await region.hypervisor.snapshot(server, image);
  Object.assign(image, {
    status: "active",
    size: 0,
    bdm_v2: "true",
    root_device_name: "/dev/vda",
    block_device_mapping: JSON.stringify(mapping),
  });
  await region.step();
  for (const { snapshot_id } of mapping) region.snapshots.get(snapshot_id)!.status = "available";
  server.taskState = null;
}
