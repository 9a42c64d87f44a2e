// The files that `local` merges with the boot settings of its disks. Modules that write them can't expect their exact
// text on a machine booted from the image. Pure.

/** The file systems to mount: a line each. */
export const fstabFile = "/etc/fstab";

/** The kernel command line: words. */
export const commandLineFile = "/etc/kernel/cmdline";

/** The files that are merged. Their mode and owner stay. */
export const mergedFiles: readonly string[] = [fstabFile, commandLineFile];

/** Whether a line of /etc/fstab is for the root or the boot partition, about which the disk decides. */
export function isForOwnDisk(line: string): boolean {
  return !isRemark(line) && ["/", "/boot/efi", "/efi"].includes(line.trim().split(/\s+/)[1] ?? "");
}

/** Whether a line of /etc/fstab is blank or a comment. */
export function isRemark(line: string): boolean {
  return /^\s*(#|$)/.test(line);
}

/** The words of a kernel command line. A value may have spaces in quotation marks: `dyndbg="file x +p"`. */
export function argumentsIn(text: string): string[] {
  return text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
}

/** Whether a word of the kernel command line says where the root is, about which the disk decides. */
export function isAboutRoot(word: string): boolean {
  return /^((root|rootfstype|rootflags|initrd|BOOT_IMAGE)=|r[ow]$)/.test(word);
}
