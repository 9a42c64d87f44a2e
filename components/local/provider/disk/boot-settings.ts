// Merges the boot settings of our disks with what a recipe has set: the root and the boot partition are ours, everything else
// is the recipe's. What only a base had of its own disk does not fit ours and goes. Pure.
import type { DiskIdentifiers } from "./disk-layout.ts";

/** What a root says of its boot; a text is empty where there is no such file. */
export interface BootSettings {
  /** /etc/fstab. */
  fstab: string;
  /** /etc/kernel/cmdline. */
  cmdline: string;
  /** The words that /etc/default/grub and /etc/default/grub.d/*.cfg come to. */
  grub: string;
  /** The recipe's own `kernel_arguments`. */
  arguments: string;
  /** True for an image of ours: its command line is ours with what its recipe added. */
  isOurs: boolean;
}

/**
 * The kernel command line of our disks. Both consoles: a screen shows what happens on tty0, and what clouds keep as the console log is
 * ttyS0; the last one named is /dev/console, where cloud-init prints the host keys.
 */
export function kernelArguments(identifiers: DiskIdentifiers): string {
  return `root=UUID=${identifiers.rootFileSystem} ro console=tty0 console=ttyS0,115200 quiet`;
}

/**
 * /etc/fstab of our disks. The boot partition is mounted only while somebody looks at it: a worker whose power is cut then never has
 * it open, so it needs no check at boot (and the image no dosfstools). `nofail` and the short wait let the bare root
 * file system boot where there is no such partition.
 */
export function fileSystemTable(identifiers: DiskIdentifiers): string {
  return `${header}
UUID=${identifiers.rootFileSystem} / ext4 errors=remount-ro 0 1
PARTUUID=${identifiers.bootPartition} /boot/efi vfat umask=0077,nofail,x-systemd.automount,x-systemd.idle-timeout=60s,x-systemd.device-timeout=5s 0 0
`;
}

const header = "# Written by ci-images.";

/** Our lines, then those of the root's own table that are about other places, but for a base's that name a disk which only it had. */
export function mergeFileSystemTable(identifiers: DiskIdentifiers, own: string, base: string): string {
  const ofBase = new Set(base.split("\n"));
  const kept = own.split("\n").filter((line) => {
    if (line.trim() === "" || line === header) return false;
    if (line.trimStart().startsWith("#")) return !ofBase.has(line);
    const [device = "", point = ""] = line.trim().split(/\s+/);
    if (["/", "/boot/efi", "/efi"].includes(point)) return false;
    return !(ofBase.has(line) && /^((PART)?(UUID|LABEL)=|\/dev\/)/.test(device));
  });
  return fileSystemTable(identifiers) + kept.map((line) => `${line}\n`).join("");
}

/**
 * Our command line with what the root has beside it. The kernel takes the last of several consoles for its own, and what is read there
 * proves who a machine is: ours stays the last.
 */
export function mergeKernelArguments(identifiers: DiskIdentifiers, own: BootSettings, base?: BootSettings): string {
  const known = (text: string | undefined): Set<string> => new Set(words(text ?? ""));
  const without = (text: string, less: Set<string>): string[] => words(text).filter((word) => !less.has(word));
  const added = [
    ...without(own.cmdline, base?.isOurs ? new Set() : known(base?.cmdline)),
    ...without(own.grub, known(base?.grub)),
    ...words(own.arguments),
  ].filter((word) => !/^((root|rootfstype|rootflags|initrd|BOOT_IMAGE)=|r[ow]$)/.test(word));
  const ours = words(kernelArguments(identifiers));
  const others = [...new Set(added)].filter((word) => !ours.includes(word));
  const isConsole = (word: string): boolean => word.startsWith("console=");
  const first = ours.findIndex(isConsole);
  return [
    ...ours.slice(0, first),
    ...others.filter(isConsole),
    ...ours.slice(first),
    ...others.filter((word) => !isConsole(word)),
  ].join(" ");
}

/** A value may have blanks in quotation marks: `dyndbg="file x +p"`. */
function words(text: string): string[] {
  return text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
}
