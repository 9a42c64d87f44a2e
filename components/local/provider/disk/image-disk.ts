// Provides a finished image's disk in the format that a cloud needs.
import { mkdir, readdir, rm, truncate } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { execa } from "execa";
import { gibibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { tryLock, withLock } from "../file-lock.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { findImage, type StoredImage } from "./image-store.ts";
import type { Progress } from "../types.ts";

/** An image that is about to be imported somewhere. */
export interface DiskSource {
  /** The image's folder. */
  folder: string;
  /** The recipe hash that it must have, if known. */
  recipe?: string;
}

/** The image in a folder. @throws UserError if it is missing, has another recipe, or was never verified. */
export async function finishedImage({ folder, recipe }: DiskSource): Promise<StoredImage> {
  const image = await findImage(folder);
  const cure = "run `pulumi up` again: it bakes the image from its recipe";
  if (!image && recipe === undefined) {
    const allowed = "the folder of a baked image, with manifest.json and the files it names";
    throw new UserError({ where: folder, found: "is not an image", allowed });
  }
  if (!image) throw new UserError({ where: folder, found: "the image is gone", cure });
  if (recipe !== undefined && image.manifest.recipe !== recipe) {
    throw new UserError({ where: folder, found: `is of recipe ${image.manifest.recipe}`, allowed: recipe, cure });
  }
  if (!image.proof) {
    const first = "verify it first: `pulumi up` of the stack that baked it";
    throw new UserError({
      where: folder,
      found: "the image was never verified",
      cure: recipe === undefined ? first : cure,
    });
  }
  return image;
}

/** The disk format that a cloud needs. */
export type DiskForm =
  | "qcow2"
  | "raw"
  /** Raw, and its size is whole GiB. */
  | "raw in GiB";

/**
 * Runs `work` with the path of the image's disk in that form. Uses the image's own file if it fits; otherwise converts
 * the disk to a sparse file in the cache, and removes it afterwards.
 */
export async function withDisk<T>(
  { path, manifest }: StoredImage,
  form: DiskForm,
  work: (disk: string) => Promise<T>,
  progress: Progress,
  signal: AbortSignal,
): Promise<T> {
  const format = form === "qcow2" ? form : "raw";
  const grows = form === "raw in GiB" && manifest.size % gibibyte !== 0;
  const name = `disk.${format}`;
  if (!grows && manifest.files.some((file) => file.name === name)) return work(join(path, name));
  const source = manifest.files.find((file) => /^disk\.(qcow2|raw)$/.test(file.name));
  if (!source) {
    throw new UserError({
      where: path,
      found: `has no disk: ${manifest.files.map((file) => file.name).join(", ")}`,
      allowed: "qcow2 or raw among the recipe's formats",
    });
  }
  const folder = join((await places()).root, "disks");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeStale(folder);
  const disk = join(folder, `${source.sha256.slice(0, 16)}-${randomBytes(3).toString("hex")}.${format}`);
  return withLock(`${disk}.lock`, async () => {
    try {
      progress(`converting ${source.name} to ${format}`);
      const from = source.name.split(".")[1];
      await execa("qemu-img", ["convert", "-f", from, "-O", format, join(path, source.name), disk], {
        cancelSignal: signal,
      });
      if (grows) await truncate(disk, Math.ceil(manifest.size / gibibyte) * gibibyte);
      return await work(disk);
    } finally {
      await rm(disk, { force: true });
    }
  });
}

/** Removes disks that a killed process left. */
async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith(".lock")) continue;
    await tryLock(join(folder, `${name}.lock`), () => rm(join(folder, name), { force: true }));
  }
}
