// Base images from an earlier image: extracts the root file system from its disk.
import { execa } from "execa";
import { mkdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { cureIfPinned, needDisk } from "./base-cache.ts";
import { checkRoot } from "./base-directory.ts";
import { sha256OfFile } from "../disk/file-digest.ts";
import { removeTree } from "../remove-tree.ts";
import type { BaseSource, Progress, ResolvedBase } from "../types.ts";

type ImageSource = Extract<BaseSource, { kind: "image" }>;

/** The disk's name in an image's folder. */
const diskFile = "disk.qcow2";

// The disk's root file system is its last partition. It is mounted in a private namespace, read-only and without
// replaying its journal, and copied with owners, links and attributes.
const COPY = `
set -e
mount -t ext4 -o ro,noload,loop,offset="$3",sizelimit="$4" "$1" "$2"
cp --archive --no-target-directory "$2" "$5"
umount "$2"`;

/** What we read of a manifest. */
interface Files {
  files: { name: string; sha256: string }[];
}

/** The base's id. @param sha256 The disk's. */
export function imageBaseId(sha256: string): string {
  return `image-${sha256}`;
}

/** The checksum of the disk that a base is read from; undefined if the image has none in that format. */
export function diskDigest({ files }: Files): string | undefined {
  return files.find((file) => file.name === diskFile)?.sha256;
}

/** `resolveBase` for an image. Trusts the manifest's checksum; `buildFromImage` checks it. */
export async function resolveImage(source: ImageSource, projectDirectory: string): Promise<ResolvedBase> {
  const path = resolve(projectDirectory, source.path);
  const { name, sha256 } = await readManifest(path);
  await stat(join(path, diskFile)).catch((error: NodeJS.ErrnoException) => {
    throw new UserError({
      where: join(path, diskFile),
      found: `can't be read (${error.code})`,
      cure: "bake that image again",
    });
  });
  return { source: { ...source, path }, id: imageBaseId(sha256), description: `image ${name} in ${path}` };
}

/** Copies the root file system out of the disk, after checking the disk's checksum. */
export async function buildFromImage(
  source: ImageSource,
  base: ResolvedBase,
  root: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const disk = join(source.path, diskFile);
  const expected = base.id.replace("image-", "");
  const found = await sha256OfFile(disk, signal);
  if (found !== expected) {
    const cure = `bake that image again; ${cureIfPinned(base.id)}`;
    throw new UserError({ where: disk, key: "sha256", found, allowed: expected, cure });
  }
  const information = await execa("qemu-img", ["info", "--output=json", disk], { cancelSignal: signal });
  const { "actual-size": bytes } = JSON.parse(information.stdout) as { "actual-size": number };
  await needDisk(8 * bytes, "reading an image's root file system");
  progress(`reading the root file system of ${disk}`);
  const folder = dirname(root);
  const [raw, mounted] = [join(folder, "disk.raw"), join(folder, "mounted")];
  await mkdir(mounted);
  await execa("qemu-img", ["convert", "-O", "raw", disk, raw], { cancelSignal: signal });
  const { offset, size } = await lastPartition(raw, signal);
  const words = ["sh", raw, mounted, String(offset), String(size), root];
  // In its own process namespace, whose end is the end of cp and of the mount, too.
  const namespace = ["--mount", "--propagation", "private", "--pid", "--kill-child", "--fork"];
  await execa("setpriv", ["--pdeathsig", "KILL", "unshare", ...namespace, "sh", "-c", COPY, ...words], {
    cancelSignal: signal,
    killSignal: "SIGKILL",
  });
  await rm(raw);
  await rmdir(mounted);
  await removeTree(join(root, "lost+found"));
  await checkRoot(root, disk);
}

async function lastPartition(raw: string, signal?: AbortSignal): Promise<{ offset: number; size: number }> {
  const { stdout } = await execa("sfdisk", ["--json", raw], { cancelSignal: signal });
  const { partitiontable: table } = JSON.parse(stdout) as {
    partitiontable: { sectorsize: number; partitions: { start: number; size: number }[] };
  };
  const { start, size } = table.partitions.reduce((last, next) => (next.start > last.start ? next : last));
  return { offset: start * table.sectorsize, size: size * table.sectorsize };
}

async function readManifest(path: string): Promise<{ name: string; sha256: string }> {
  const where = join(path, "manifest.json");
  const allowed = "the folder of an image that ci-images made for `local`";
  try {
    const manifest = JSON.parse(await readFile(where, "utf8")) as { name: string } & Files;
    const sha256 = diskDigest(manifest);
    if (sha256 !== undefined) return { name: manifest.name, sha256 };
    throw new UserError({ where, key: "files", found: `no ${diskFile}`, allowed });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError({ where, found: `can't be read (${(error as Error).message})`, allowed });
  }
}
