// Makes a bootable disk from a root tree without mounting it: file systems are written straight into the file.
import { mkdir, mkdtemp, open, readFile, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { execa } from "execa";
import { mebibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { writeBootFiles } from "./boot-files.ts";
import { describeFile, type ImageFile } from "./disk-files.ts";
import { diskIdentifiers, layOutDisk, partitionTable, type DiskLayout, type RootContent } from "./disk-layout.ts";
import { enterOverlay } from "../overlay.ts";
import { removeTree } from "../remove-tree.ts";
import { allocateSwapFiles, restoreFlags } from "./file-extras.ts";
import { besideView, inView, type RootView } from "./root-view.ts";
import type { imageFormats } from "../../contract.ts";
import type { Progress } from "../types.ts";

/**
 * The formats of an image's files: `qcow2` is a compressed disk, `raw` a sparse disk, `tar` the root file system with
 * kernel and ramdisk, `vhd` a fixed VHD for Azure, `vmdk` a stream-optimized VMDK for VMware.
 */
export type ImageFormat = (typeof imageFormats)[number];

/** Boot loaders from the Debian packages systemd-boot-efi and syslinux-common. */
const efiLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const biosLoader = "/usr/lib/SYSLINUX/gptmbr.bin";

/**
 * The root file system's features. The list does not depend on this computer's /etc/mke2fs.conf, and the kernels and
 * e2fsprogs of every supported distribution can read and grow the result.
 */
const features =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/** Options of `assembleImage`. */
export interface AssembleOptions {
  /**
   * The sealed root, as a scratch view, because boot settings are written to it. Nothing may be mounted inside it.
   */
  view: RootView;
  /** The image's folder. It is renamed into place once complete, and replaces an earlier one. */
  directory: string;
  /** The image's name: the tar is `<name>.tar.gz`. */
  name: string;
  /** Determines all identifiers on the disk; the recipe hash. */
  identity: string;
  /** The disk's size in bytes. */
  size: number;
  /** The files to make: `disk.qcow2`, `disk.raw`, `disk.vhd`, `disk.vmdk`, `<name>.tar.gz`. */
  formats: readonly ImageFormat[];
  /** The file systems' creation time, in seconds since 1970; default: now. */
  sourceDate?: number;
  /** Called when all files exist, before the folder is renamed: writes further files beside them. */
  complete?: (directory: string, files: ImageFile[]) => Promise<void>;
}

/**
 * Makes an image: GPT with a boot partition (systemd-boot for UEFI, syslinux for BIOS, kernel and ramdisk) and an ext4
 * root that grows at first boot. Free space holds no data: every file system is created in a sparse file.
 * @returns the files, in the order of `formats`.
 * @throws UserError if the content does not fit into `size`, the root has no kernel, or the disk here is too full.
 */
export async function assembleImage(
  options: AssembleOptions,
  progress: Progress,
  signal?: AbortSignal,
): Promise<{ files: ImageFile[]; kernel: string }> {
  const { view, directory, identity, size, formats } = options;
  const identifiers = diskIdentifiers(identity);
  await assertNothingMounted(view);
  const { kernel } = await writeBootFiles(view, identifiers, signal);
  const content = await measure(view, signal);
  const layout = layOutDisk(size, content);
  await mkdir(dirname(directory), { recursive: true });
  await assertRoom(dirname(directory), content, options);

  const partial = `${directory}.partial`;
  await removeTree(partial);
  await mkdir(partial);
  try {
    const disk = join(partial, "disk.raw");
    progress(`writing a disk of ${size / mebibyte} MiB with kernel ${kernel}`);
    await writeDisk(disk, layout, { ...options, signal });
    const files = await Promise.all(
      formats.map(async (format) => {
        if (format === "raw") return describeFile(disk, signal);
        if (format === "tar") return describeFile(await makeTar(disk, layout, kernel, { ...options, signal }), signal);
        const file = await convert(disk, format, { ...options, signal });
        const [described] = await Promise.all([
          describeFile(file, signal),
          assertConverted(file, format, { ...options, signal }),
        ]);
        return described;
      }),
    );
    await Promise.all([formats.includes("raw") ? undefined : rm(disk), options.complete?.(partial, files)]);
    await removeTree(directory);
    await rename(partial, directory);
    for (const { name, bytes } of files) progress(`${name}: ${Math.ceil(bytes / mebibyte)} MiB`);
    return { files, kernel };
  } finally {
    await removeTree(partial);
  }
}

type StepOptions = AssembleOptions & { signal?: AbortSignal };

/** A mount inside the tree, such as /proc, is the caller's bug: mke2fs would copy it. */
async function assertNothingMounted(view: RootView): Promise<void> {
  const mounts = (await besideView(view, ["cat", "/proc/self/mountinfo"]))
    .split("\n")
    .map((line) => line.split(" ")[4]);
  const inside = mounts.filter((point) => point?.startsWith(`${view.path.replace(/\/$/, "")}/`));
  if (inside.length > 0) throw new Error(`mounted inside the root to be imaged: ${inside.join(", ")}`);
}

async function measure(view: RootView, signal?: AbortSignal): Promise<RootContent> {
  // A file with several names counts once, as du counts, which would have to walk through the tree twice.
  const script = `
count() {
  find "$1" -xdev -printf '%D:%i %b\\n' | awk '!seen[$1]++ { blocks += $2; entries++ } END { printf "%d %d ", blocks * 512, entries }'
}
count "$1"
count "$1/boot/efi"`;
  const output = await besideView(view, ["bash", "-euo", "pipefail", "-c", script, "bash", view.path], { signal });
  const [all, entries, bootBytes] = output.split(" ").map(Number) as [number, number, number];
  return { bytes: all - bootBytes, entries, bootBytes };
}

/** @throws UserError if the folder's file system might be too full for the image. */
async function assertRoom(folder: string, content: RootContent, { formats }: AssembleOptions): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const copies = formats.includes("tar") ? 2 : 1;
  // A cautious estimate: compressed, a root takes about half.
  const packed = formats.reduce((sum, format) => sum + ({ raw: 0, vhd: 1 }[format as string] ?? 0.7), 0);
  const needed = (content.bytes + content.bootBytes) * (copies + packed) + 256 * mebibyte;
  if (bavail * bsize < needed) {
    throw new UserError({
      where: folder,
      found: `${Math.floor((bavail * bsize) / mebibyte)} MiB free`,
      allowed: `about ${Math.ceil(needed / mebibyte)} MiB for this image`,
      cure: "free some, or set `ci-images:imageDirectory` to a larger disk (`./ci-images build`: --output)",
    });
  }
}

async function writeDisk(disk: string, layout: DiskLayout, options: StepOptions): Promise<void> {
  const file = await open(disk, "wx");
  await file.truncate(layout.size);
  await file.close();
  const identifiers = diskIdentifiers(options.identity);
  await run(
    "sfdisk",
    ["--quiet", "--no-reread", "--no-tell-kernel", disk],
    options,
    partitionTable(layout, identifiers),
  );
  // The boot files move out of the root before it is written: in the root, /boot/efi is only a mount point.
  await writeBootPartition(disk, layout, options);
  await inView(options.view, ["sh", "-euc", "rm -rf /boot/efi; mkdir -m 0755 /boot/efi"], options);
  await writeRootPartition(disk, layout, options);
}

async function writeBootPartition(disk: string, { boot }: DiskLayout, options: StepOptions): Promise<void> {
  const { view } = options;
  const at = `${disk}@@${boot.offset}`;
  const { bootSerial } = diskIdentifiers(options.identity);
  const environment = { ...sourceDate(options), MTOOLS_SKIP_CHECK: "1" };
  const geometry = ["-T", String(boot.size / 512), "-H", String(boot.offset / 512), "-h", "64", "-s", "32"];
  await run("mformat", ["-i", at, "-F", ...geometry, "-N", bootSerial, "-v", "ESP", "::"], options);
  await besideView(view, ["mmd", "-i", at, "::/EFI", "::/EFI/BOOT"], { ...options, environment });
  await run("mcopy", ["-i", at, efiLoader, "::/EFI/BOOT/BOOTX64.EFI"], options);
  const entries = ["linux", "loader", "syslinux.cfg"].map((name) => `${view.path}/boot/efi/${name}`);
  await besideView(view, ["mcopy", "-i", at, "-s", ...entries, "::/"], { ...options, environment });
  await run("syslinux", ["--install", "--offset", String(boot.offset), disk], options);
  const starter = await readFile(biosLoader);
  if (starter.length > 440) throw new Error(`${biosLoader} does not fit before the partition table`);
  const file = await open(disk, "r+");
  await file.write(starter, 0, starter.length, 0);
  await file.close();
}

async function writeRootPartition(disk: string, { root }: DiskLayout, options: StepOptions): Promise<void> {
  const { rootFileSystem, directoryHash } = diskIdentifiers(options.identity);
  const extended = `offset=${root.offset},hash_seed=${directoryHash},lazy_itable_init=1,lazy_journal_init=1,nodiscard`;
  const shape = ["-t", "ext4", "-O", features, "-b", "4096", "-I", "256", "-i", "16384", "-m", "1"];
  const what = ["-d", options.view.path, "-U", rootFileSystem, "-L", "root", "-E", extended, disk];
  // The size has a unit because a bare number means blocks.
  const command = ["mke2fs", "-q", "-F", ...shape, ...what, `${root.size / 1024}k`];
  await withoutSync(disk, options, (prefix) =>
    besideView(options.view, [...prefix, ...command], {
      signal: options.signal,
      environment: options.sourceDate === undefined ? {} : { E2FSPROGS_FAKE_TIME: String(options.sourceDate) },
    }),
  );
  const fileSystem = { disk, offset: root.offset, view: options.view, signal: options.signal };
  await restoreFlags(fileSystem);
  await allocateSwapFiles(fileSystem);
}

/**
 * Runs a command on a disk that is not to be synced: mke2fs would wait until all of it has been written, and it may be
 * deleted seconds later. The command sees the disk through an overlay that skips syncs.
 * @param work Runs the command with the given prefix, which is empty where the disk's folder can't be in an overlay, e.g.
 *   on NFS.
 */
async function withoutSync<T>(
  disk: string,
  { view, signal }: StepOptions,
  work: (prefix: string[]) => Promise<T>,
): Promise<T> {
  const folder = join(dirname(disk), ".overlay");
  const [lower, upper, scratch] = ["lower", "upper", "work"].map((part) => join(folder, part)) as [
    string,
    string,
    string,
  ];
  for (const part of [lower, upper, scratch]) await mkdir(part, { recursive: true });
  try {
    const inside = join(upper, basename(disk));
    const prefix = enterOverlay({ lower: [lower], upper, work: scratch, path: dirname(disk) });
    const isPossible = await besideView(view, [...prefix, "true"], { signal }).then(
      () => true,
      () => false,
    );
    signal?.throwIfAborted();
    if (!isPossible) return await work([]);
    await rename(disk, inside);
    const result = await work(prefix);
    await rename(inside, disk);
    return result;
  } finally {
    await removeTree(folder);
  }
}

/**
 * qemu-img's format names and options. It writes the qcow2's clusters in the order in which they are compressed (`-W`),
 * in half the time on two processors. So the same disk can become a file with another checksum. Clusters of 256 KiB
 * instead of 64 take a sixth less time and 5 % less space, and a machine boots from them as fast (measured with the
 * default recipe).
 */
const conversions: Record<Exclude<ImageFormat, "raw" | "tar">, string[]> = {
  qcow2: ["qcow2", "-c", "-W", "-m", "16", "-o", "compression_type=zstd,cluster_size=256k"],
  // Azure takes only fixed VHDs whose size is a whole number of MiB, which all our disks are.
  // https://learn.microsoft.com/azure/virtual-machines/linux/create-upload-generic#resizing-vhds
  vhd: ["vpc", "-o", "subformat=fixed,force_size=on"],
  vmdk: ["vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic"],
};

/** Converts the disk to another format. @returns the file. */
async function convert(disk: string, format: keyof typeof conversions, options: StepOptions): Promise<string> {
  const target = join(dirname(disk), `disk.${format}`);
  const [driver, ...how] = conversions[format];
  await run("qemu-img", ["convert", "-f", "raw", "-O", driver, ...how, disk, target], options);
  return target;
}

/** Checks a converted disk. @throws Error if it is damaged or has another size. */
async function assertConverted(file: string, format: keyof typeof conversions, options: StepOptions): Promise<void> {
  const [driver] = conversions[format];
  // The VHD driver has no check.
  if (format !== "vhd") await run("qemu-img", ["check", "-q", "-f", driver, file], options);
  const { stdout } = await execa("qemu-img", ["info", "-f", driver, "--output=json", file], {
    cancelSignal: options.signal,
  });
  const size = (JSON.parse(stdout) as { "virtual-size": number })["virtual-size"];
  if (size !== options.size) throw new Error(`${file} is a disk of ${size} bytes instead of ${options.size}`);
}

/** Makes the tar in Imaging Hot Sauce's format: the root file system image, with its kernel and ramdisk beside it. */
async function makeTar(
  disk: string,
  { boot, root }: DiskLayout,
  kernel: string,
  options: StepOptions,
): Promise<string> {
  const folder = await mkdtemp(join(dirname(disk), ".tar-"));
  try {
    const names = { root: `${options.name}.img`, kernel: `${options.name}-vmlinuz`, ramdisk: `${options.name}-initrd` };
    const part = [`skip=${root.offset}`, `count=${root.size}`, "iflag=skip_bytes,count_bytes", "bs=1M", "conv=sparse"];
    await run("dd", [`if=${disk}`, `of=${join(folder, names.root)}`, ...part, "status=none"], options);
    // conv=sparse skips holes at the end as well.
    const image = await open(join(folder, names.root), "r+");
    await image.truncate(root.size);
    await image.close();
    const at = `${disk}@@${boot.offset}`;
    await run("mcopy", ["-i", at, `::/linux/${kernel}/vmlinuz`, join(folder, names.kernel)], options);
    await run("mcopy", ["-i", at, `::/linux/${kernel}/initrd`, join(folder, names.ramdisk)], options);
    const target = join(dirname(disk), `${options.name}.tar.gz`);
    const when = options.sourceDate === undefined ? [] : [`--mtime=@${options.sourceDate}`];
    const owner = ["--owner=root:0", "--group=root:0", "--mode=0644", "--format=gnu", "--sparse"];
    // pigz at a low level: otherwise packing would take longer than the rest of the image.
    const pack = ["--use-compress-program=pigz --no-name -3", "--create", "--file", target, "--directory", folder];
    await run("tar", [...when, ...owner, ...pack, names.root, names.kernel, names.ramdisk], options);
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sourceDate(options: AssembleOptions): Record<string, string> {
  return options.sourceDate === undefined ? {} : { SOURCE_DATE_EPOCH: String(options.sourceDate) };
}

/** Runs a program on this computer. If it fails, the error has its message. */
async function run(file: string, words: string[], options: StepOptions, input = ""): Promise<void> {
  await execa(file, words, {
    input,
    env: { LC_ALL: "C.UTF-8", TZ: "UTC", MTOOLS_SKIP_CHECK: "1", ...sourceDate(options) },
    cancelSignal: options.signal,
  });
}
