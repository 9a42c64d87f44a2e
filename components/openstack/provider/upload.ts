// Uploads a disk from this computer as a Glance image: creates the image, streams its content, and compares Glance's
// checksum with ours. https://docs.openstack.org/api-ref/image/v2/#image-data
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { Transform } from "node:stream";
import { mebibyte } from "../../../common/sizes.ts";
import { UserError } from "../../../common/user-error.ts";
import { uploadProgress } from "../../../provider/kit/upload-progress.ts";
import { waitFor, type Seen } from "../../../provider/kit/wait.ts";
import { dropImage, findImage, type Image } from "./images.ts";
import { quiet, Region } from "./region.ts";
import { ApiError, ConnectionError, type Content } from "./transport.ts";

/** Seconds that Glance may take after the upload: it may copy the image between stores, or convert it. */
const deadline = 3600;
/** Seconds that Glance gets to remove an image whose upload has failed. */
const removalDeadline = 30;
/** Attempts at an upload that loses its connection. */
const attempts = 3;

/** How content gets into Glance: in one request, or through its staging area and an import task. */
export type UploadMethod = "direct" | "staged";

export interface ImageToUpload {
  /** The file. */
  disk: string;
  format: "qcow2" | "raw";
  name: string;
  /** GiB that a machine's disk must have. */
  minDisk: number;
  properties: Readonly<Record<string, string>>;
}

/**
 * Makes an image from a disk. Deletes it again if the upload fails or the user cancels.
 * @throws UserError if Glance refuses, its checksum differs from ours, or the connection is lost three times.
 */
export async function uploadImage(region: Region, upload: ImageToUpload): Promise<Image> {
  const { signal, progress } = region.context;
  for (let attempt = 1; ; attempt++) {
    const { image, methods } = await makeImage(region, upload);
    try {
      return await fill(region, image, upload, methods);
    } catch (error) {
      await removeUnfinished(region, image.id);
      signal.throwIfAborted();
      if (!(error instanceof ConnectionError) || attempt === attempts) throw error;
      progress(`image ${image.id}: ${error.message}; uploading again`);
    }
  }
}

/**
 * Removes an image whose upload has failed. Does so even if the user has cancelled. Glance may answer 5xx while it still
 * works on the broken upload; if it goes on doing so, the import's lease removes the image later, and the upload's own
 * error is the one to report.
 */
async function removeUnfinished(region: Region, id: string): Promise<void> {
  const own = new Region(region.name, quiet, region.session);
  const look = async (): Promise<Seen<undefined>> => {
    try {
      await dropImage(own, id);
      return { done: undefined };
    } catch (error) {
      if (error instanceof ApiError && error.status >= 500) return { state: `not removed: ${error.message}` };
      throw error;
    }
  };
  try {
    const lookAt = region.command(`image show ${id}`);
    await waitFor({ what: `image ${id}`, until: "to be removed", deadline: removalDeadline, lookAt, look }, quiet);
  } catch (error) {
    region.context.progress(`the unfinished image is left to its lease: ${(error as Error).message}`);
  }
}

/** @returns the image, still without content, and the import methods that Glance offers. */
async function makeImage(region: Region, { format, name, minDisk, properties }: ImageToUpload) {
  const body = {
    ...properties,
    ...{ name, disk_format: format, container_format: "bare", visibility: "private", min_disk: minDisk },
  };
  const answer = await region.exchange({ service: "image", method: "POST", path: "/images", body });
  const methods = String(answer.headers["openstack-image-import-methods"] ?? "").split(",");
  return { image: answer.body as Image, methods };
}

async function fill(region: Region, { id }: Image, upload: ImageToUpload, methods: readonly string[]): Promise<Image> {
  const { bytes, content, digest } = await contentOf(region, id, upload.disk);
  let method: UploadMethod = "direct";
  try {
    await sendContent(region, id, content(), method);
  } catch (error) {
    // Clouds that allow only imports forbid the direct way by policy.
    const isForbidden = error instanceof ApiError && [403, 404, 405].includes(error.status);
    if (!isForbidden || !methods.includes("glance-direct")) throw explained(error, upload, bytes);
    method = "staged";
    await sendContent(region, id, content(), method);
  }
  const image = await waitUntilActive(region, id);
  await assertSame(region, image, upload, digest());
  return image;
}

/** Sends an image's content. Tests choose the method. */
export async function sendContent(region: Region, id: string, content: Content, method: UploadMethod): Promise<void> {
  const path = `/images/${id}/${method === "direct" ? "file" : "stage"}`;
  await region.send({ service: "image", method: "PUT", path, content });
  if (method === "direct") return;
  const body = { method: { name: "glance-direct" } };
  await region.send({ service: "image", method: "POST", path: `/images/${id}/import`, body });
}

/** A file as content, hashed while it is sent. */
async function contentOf({ context }: Region, id: string, disk: string) {
  const { size: bytes } = await stat(disk);
  let hash = createHash("sha512");
  const open = () => {
    hash = createHash("sha512");
    const shown = uploadProgress(`image ${id}`, bytes, context.progress);
    const watch = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        shown(chunk.length);
        done(undefined, chunk);
      },
    });
    const file = createReadStream(disk, { highWaterMark: mebibyte });
    file.on("error", (error) => watch.destroy(error));
    watch.on("close", () => file.destroy());
    return file.pipe(watch);
  };
  return { bytes, content: (): Content => ({ bytes, open }), digest: () => hash.digest("hex") };
}

function explained(error: unknown, { disk }: ImageToUpload, bytes: number): unknown {
  if (!(error instanceof ApiError) || ![413, 507].includes(error.status)) return error;
  return new UserError({
    where: disk,
    found: `its ${Math.ceil(bytes / mebibyte)} MiB do not fit into the image store: ${error.message}`,
    cure: "free some of the project's image storage, or ask for a larger quota",
  });
}

/** https://docs.openstack.org/glance/latest/user/statuses.html */
function waitUntilActive(region: Region, id: string): Promise<Image> {
  const look = async (): Promise<Seen<Image>> => {
    const image = await findImage(region, id);
    const cure = "`pulumi up` tries again";
    if (!image) return { failed: "it is gone", cure };
    const failed = image.os_glance_failed_import;
    if (typeof failed === "string" && failed !== "") {
      return { failed: `Glance could not import it into ${failed}`, cure };
    }
    if (image.status === "active") return { done: image };
    if (image.status === "queued") return { failed: "Glance has dropped its content: it is queued again", cure };
    // The rest are in progress: saving, uploading, importing.
    const isLost = ["killed", "deleted", "pending_delete", "deactivated"].includes(image.status);
    return isLost ? { failed: `it ended as ${image.status}`, cure } : { state: image.status };
  };
  const lookAt = region.command(`image show ${id}`);
  return waitFor({ what: `image ${id}`, until: "to be active", deadline, lookAt, look }, region.context);
}

/** @throws UserError if Glance's content differs from the file. */
async function assertSame(region: Region, image: Image, upload: ImageToUpload, sha512: string): Promise<void> {
  const { disk, format } = upload;
  const { os_hash_algo: algorithm, os_hash_value: value, checksum } = image;
  // Glance before Rocky has only MD5.
  const [how, theirs] = typeof value === "string" ? [String(algorithm), value] : ["md5", checksum];
  const isConverted = image.disk_format !== format;
  if (typeof theirs !== "string" || isConverted) {
    const why = isConverted
      ? `the cloud has converted it to ${String(image.disk_format)}`
      : "the cloud keeps no checksum";
    region.context.progress(`image ${image.id} can't be compared with ${disk}: ${why}`);
    return;
  }
  const ours = how === "sha512" ? sha512 : await digestOf(disk, how);
  if (ours === theirs) return;
  throw new UserError({
    where: `image ${image.id}`,
    found: `Glance received different content: its ${how} is ${theirs}`,
    allowed: ours,
    cure: "`pulumi up` tries again; what was uploaded is removed",
  });
}

async function digestOf(file: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file, { highWaterMark: mebibyte }), hash);
  return hash.digest("hex");
}
