// The disk of a builder: a sparse file with a file system of the recipe's size, so that a builder can't fill this
// computer's disk. It holds the builder's changes to its base.
import { chmod, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { enterDisk, type OverlayDisk } from "../overlay.ts";

/** The largest disk, in bytes: some file systems take no larger files, and no builder needs more. */
const largest = 1024 ** 4;

/** The disk of the machine in this folder. It need not exist. */
export function diskOf(directory: string): OverlayDisk {
  return { file: join(directory, "disk.img"), path: join(directory, "disk") };
}

/**
 * Makes a machine's disk, with the folders `upper` and `work` in it.
 * @param size Bytes; at most 1 TiB is used.
 * @param mode The mode of `upper`, which the guest sees as the mode of `/`.
 * @returns undefined on success; otherwise why this computer can't mount it (a container without loop devices), and no
 *   disk is left.
 */
export async function makeDisk(
  directory: string,
  size: number,
  mode: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const disk = diskOf(directory);
  const content = join(directory, "disk-content");
  for (const folder of [content, join(content, "upper"), join(content, "work"), disk.path]) await mkdir(folder);
  await chmod(join(content, "upper"), mode);
  const file = await open(disk.file, "wx", 0o600);
  await file.truncate(Math.min(size, largest));
  await file.close();
  // No journal: a crash of the computer loses the machine anyway. Twice the image's inodes, for files that are removed
  // again before sealing.
  const shape = ["-t", "ext4", "-O", "^has_journal", "-I", "256", "-i", "8192", "-m", "0", "-E", "nodiscard"];
  await execa("mke2fs", ["-q", "-F", ...shape, "-d", content, disk.file], { cancelSignal: signal });
  await rm(content, { recursive: true });
  const [command, ...words] = enterDisk(disk);
  const { exitCode, stderr } = await execa(command, [...words, "true"], { reject: false, cancelSignal: signal });
  if (exitCode === 0) return undefined;
  await rm(disk.file);
  return stderr;
}
