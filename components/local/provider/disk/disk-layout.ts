// The layout of an image's disk: identifiers, partitions, and whether a root fits. Pure arithmetic.
import { createHash } from "node:crypto";
import { mebibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";

/** The identifiers on an image's disk. */
export interface DiskIdentifiers {
  /** GUID of the partition table. */
  disk: string;
  /** GUID of the boot partition. */
  bootPartition: string;
  /** GUID of the root partition. */
  rootPartition: string;
  /** UUID of the root file system. */
  rootFileSystem: string;
  /** Seed of the root file system's directory hashes. */
  directoryHash: string;
  /** Volume serial of the boot file system, 8 hexadecimal digits. */
  bootSerial: string;
}

/**
 * Derives all identifiers from one string: the same recipe gives the same identifiers, and disks of two recipes can be
 * attached to one machine without a conflict.
 */
export function diskIdentifiers(identity: string): DiskIdentifiers {
  const digest = (part: string): string => createHash("sha256").update(`${part}\0${identity}`).digest("hex");
  return {
    disk: asUuid(digest("disk")),
    bootPartition: asUuid(digest("boot partition")),
    rootPartition: asUuid(digest("root partition")),
    rootFileSystem: asUuid(digest("root file system")),
    directoryHash: asUuid(digest("directory hash")),
    bootSerial: digest("boot serial").slice(0, 8),
  };
}

/** Formats a digest as a version 8 UUID (RFC 9562), the version for custom content. */
function asUuid(hex: string): string {
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

/** Positions on the disk, in bytes; every number is a multiple of 1 MiB. */
export interface DiskLayout {
  size: number;
  boot: { offset: number; size: number };
  root: { offset: number; size: number };
}

/** The content of a root tree. */
export interface RootContent {
  /** Bytes of disk space that its files use. */
  bytes: number;
  /** How many files, folders and links it has. */
  entries: number;
  /** Bytes of the boot partition's initial files: kernels, ramdisks, boot loader. */
  bootBytes: number;
}

/** The least free space on a freshly booted machine: for logs, keys and cloud-init's state. */
const leastFree = 64 * mebibyte;

/**
 * Lays out a disk.
 * @param size The disk's size in bytes, from the recipe.
 * @param content What it must hold.
 * @throws UserError with the required size if the content does not fit.
 */
export function layOutDisk(size: number, content: RootContent): DiskLayout {
  // A third kernel must fit while it replaces one of two (see guest/update-boot-files.sh). FAT32 needs 33 MiB.
  const bootSize = Math.max(128, ceil((3 * content.bootBytes) / mebibyte + 8, 32)) * mebibyte;
  const boot = { offset: mebibyte, size: bootSize };
  const rootOffset = boot.offset + boot.size;
  // The last mebibyte holds the backup partition table.
  const rootSize = Math.floor(size / mebibyte) * mebibyte - rootOffset - mebibyte;
  const rootNeeded = rootSizeFor(content);
  if (rootSize < rootNeeded) {
    const needed = ceil((rootOffset + rootNeeded) / mebibyte + 1, 256);
    throw new UserError({
      where: "recipe",
      key: "size",
      found: `${inMebibytes(size)} is too small: the root file system holds ${inMebibytes(content.bytes)} in ${content.entries} files; with the boot partition and overhead that takes ${needed} MiB`,
      allowed: `${needed}M or more`,
      cure: `set \`size: ${needed}M\` (the root also grows to the machine's disk at first boot), or put less into the image`,
    });
  }
  return { size: Math.floor(size / mebibyte) * mebibyte, boot, root: { offset: rootOffset, size: rootSize } };
}

/**
 * The smallest root partition for a content. mke2fs takes one inode of 256 bytes for every 16 KiB, a journal of up to
 * 128 MiB, 1 % for root, and about 0.5 % for bitmaps and growth.
 */
function rootSizeFor({ bytes, entries }: RootContent): number {
  const usable = 1 - 256 / 16384 - 0.01 - 0.005;
  let size = Math.max((bytes + leastFree) / usable, entries * 1.05 * 16384);
  size += journalSize(size);
  return size;
}

/** The journal that mke2fs chooses (ext2fs_default_journal_size) for blocks of 4 KiB. */
function journalSize(size: number): number {
  const gibibytes = size / (1024 * mebibyte);
  return (gibibytes < 1 ? 16 : gibibytes < 2 ? 32 : gibibytes < 16 ? 64 : 128) * mebibyte;
}

function ceil(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / mebibyte)} MiB`;
}

/**
 * The partition table in the format of sfdisk(8). gptmbr.bin finds the boot partition by its flag LegacyBIOSBootable.
 * The root comes last, so that it can grow.
 */
export function partitionTable({ boot, root }: DiskLayout, identifiers: DiskIdentifiers): string {
  const sectors = (bytes: number): number => bytes / 512;
  return [
    "label: gpt",
    `label-id: ${identifiers.disk.toUpperCase()}`,
    `start=${sectors(boot.offset)}, size=${sectors(boot.size)}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=${identifiers.bootPartition.toUpperCase()}, name="esp", attrs="LegacyBIOSBootable"`,
    `start=${sectors(root.offset)}, size=${sectors(root.size)}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=${identifiers.rootPartition.toUpperCase()}, name="root"`,
    "",
  ].join("\n");
}
