// Merges our disks' boot settings with the recipe's: ours decide about the root and the boot partition, the recipe's
// about everything else. Settings for a base's own disk are dropped. Pure.
import {
  argumentsIn,
  commandLineFile,
  fstabFile,
  isAboutRoot,
  isForOwnDisk,
  isRemark,
} from "../../../../provision/modules/shared/merged-files.ts";
import type { DiskIdentifiers } from "./disk-layout.ts";

/** A root's boot settings; a text is empty if its file is missing. */
export interface BootSettings {
  /** /etc/fstab. */
  fstab: string;
  /** /etc/kernel/cmdline. */
  cmdline: string;
  /** The words that /etc/default/grub and /etc/default/grub.d/*.cfg result in. */
  grub: string;
  /** The recipe's own `kernel_arguments`. */
  arguments: string;
  /** Whether ci-images made the root: its command line is then ours plus its recipe's words. */
  isOurs: boolean;
  /** Of /etc/fstab and /etc/kernel/cmdline, those that the module `files` wrote: nothing in them is only the base's. */
  whole: readonly string[];
}

/**
 * Our disks' kernel command line. tty0 is the screen; ttyS0 is what clouds keep as the console log. The last one
 * becomes /dev/console, where cloud-init prints the host keys.
 */
export function kernelArguments(identifiers: DiskIdentifiers): string {
  return `root=UUID=${identifiers.rootFileSystem} ro console=tty0 console=ttyS0,115200 quiet`;
}

/**
 * Our disks' /etc/fstab. The boot partition is mounted only on access, so a power cut does not damage it, and the image
 * needs no check at boot and no dosfstools. `nofail` and the short timeout let the bare root file system boot without
 * such a partition.
 */
export function fileSystemTable(identifiers: DiskIdentifiers): string {
  return `${header}
UUID=${identifiers.rootFileSystem} / ext4 errors=remount-ro 0 1
PARTUUID=${identifiers.bootPartition} /boot/efi vfat umask=0077,nofail,x-systemd.automount,x-systemd.idle-timeout=60s,x-systemd.device-timeout=5s 0 0
`;
}

const header = "# Written by ci-images.";

/**
 * Our lines, then the root's lines for other mount points, without those for a disk that only the base had. An image of
 * ours as the base has lost these already: what it has is what its recipe added.
 */
export function mergeFileSystemTable(identifiers: DiskIdentifiers, own: BootSettings, base?: BootSettings): string {
  const keepsAll = base?.isOurs || own.whole.includes(fstabFile);
  const ofBase = new Set(keepsAll ? [] : base?.fstab.split("\n"));
  const kept = own.fstab.split("\n").filter((line) => {
    if (line.trim() === "" || line === header || isForOwnDisk(line)) return false;
    return !(ofBase.has(line) && (isRemark(line) || /^\s*((PART)?(UUID|LABEL)=|\/dev\/)/.test(line)));
  });
  return fileSystemTable(identifiers) + kept.map((line) => `${line}\n`).join("");
}

/**
 * Our command line plus the root's own words. Our console must stay last: the kernel uses the last one, and we read the
 * machine's host keys from it.
 */
export function mergeKernelArguments(identifiers: DiskIdentifiers, own: BootSettings, base?: BootSettings): string {
  const known = (text: string | undefined): Set<string> => new Set(argumentsIn(text ?? ""));
  const without = (text: string, less: Set<string>): string[] => argumentsIn(text).filter((word) => !less.has(word));
  const keepsAll = base?.isOurs || own.whole.includes(commandLineFile);
  const added = [
    ...without(own.cmdline, keepsAll ? new Set() : known(base?.cmdline)),
    ...without(own.grub, known(base?.grub)),
    ...argumentsIn(own.arguments),
  ].filter((word) => !isAboutRoot(word));
  const ours = argumentsIn(kernelArguments(identifiers));
  // Of a word that is there twice the last one counts, as the kernel takes the last one of `nohz=on nohz=off`.
  const others = [...new Set(added.reverse())].reverse().filter((word) => !ours.includes(word));
  const isConsole = (word: string): boolean => word.startsWith("console=");
  const first = ours.findIndex(isConsole);
  return [
    ...ours.slice(0, first),
    ...others.filter(isConsole),
    ...ours.slice(first),
    ...others.filter((word) => !isConsole(word)),
  ].join(" ");
}
