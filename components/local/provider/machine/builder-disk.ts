// The disk of a builder: a sparse file with a file system of the recipe's size, so that what fills it fills it and not this computer.
// It holds what the builder changes of its base. Removing it is removing one file.
import { chmod, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { enterDisk, type OverlayDisk } from "../overlay.ts";

/** The largest one, in bytes: larger files are more than some file systems take, and nobody fills it. */
const largest = 1024 ** 4;

/** The disk of the machine in this folder, whether it is there or not. */
export function diskOf(directory: string): OverlayDisk {
  return { file: join(directory, "disk.img"), path: join(directory, "disk") };
}

/**
 * Makes a machine's disk, with the folders `upper` and `work` in it.
 * @param size Bytes; more than 1 TiB counts as that.
 * @param mode Of `upper`, which the guest sees as that of its `/`.
 * @returns what keeps this computer from mounting it, in which case there is none: a container without loop devices.
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
  // No journal: a crash of the computer loses the machine in any case. Twice as many inodes as the image has, for what is removed again.
  const shape = ["-t", "ext4", "-O", "^has_journal", "-I", "256", "-i", "8192", "-m", "0", "-E", "nodiscard"];
  await execa("mke2fs", ["-q", "-F", ...shape, "-d", content, disk.file], { cancelSignal: signal });
  await rm(content, { recursive: true });
  const [command, ...words] = enterDisk(disk);
  const { exitCode, stderr } = await execa(command, [...words, "true"], { reject: false, cancelSignal: signal });
  if (exitCode === 0) return undefined;
  await rm(disk.file);
  return stderr;
}
