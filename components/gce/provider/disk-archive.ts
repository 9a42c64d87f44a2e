// Packs a disk in the format that Compute Engine imports: a gzipped tar in the old GNU format with one file, disk.raw,
// of whole GiB. https://cloud.google.com/compute/docs/import/import-existing-image#create_image_file
import { basename, dirname } from "node:path";
import { execa } from "execa";

/**
 * Packs a raw disk, whose size must be whole GiB. Holes are not read.
 * @returns the archive's bytes. Throws at the end if packing failed.
 */
export async function* diskArchive(disk: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const pack = [
    "--create",
    "--format=oldgnu",
    "--sparse",
    "--transform=s|.*|disk.raw|",
    "--owner=root:0",
    "--group=root:0",
  ];
  const how = ["--use-compress-program=pigz --no-name -3", "--directory", dirname(disk), basename(disk)];
  const packing = execa("tar", [...pack, ...how], {
    cancelSignal: signal,
    buffer: false,
    encoding: "buffer",
    stdin: "ignore",
    env: { LC_ALL: "C.UTF-8" },
  });
  // If the reader stops early, nothing awaits it: its failure must not be an unhandled rejection.
  packing.catch(() => {});
  try {
    for await (const data of packing.stdout) yield data as Buffer;
    await packing;
  } finally {
    packing.kill();
  }
}
