// What an image gets to boot by itself: /etc/fstab, the kernel command line, and the hook that keeps the kernels on the
// boot partition up to date. It is written into the scratch view of the root, never into the builder.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { inView, type RootView } from "./root-view.ts";
import type { DiskIdentifiers } from "./disk-layout.ts";

/** Where the script lives in the image. */
const updater = "/usr/lib/ci-images/update-boot-files";

/**
 * Folders whose programs are run after a kernel or ramdisk changed, with the name our link gets in them. `zz` and `99`
 * come last: the ramdisk must have been made by then.
 */
const hooks: readonly { folder: string; name: string }[] = [
  { folder: "/etc/kernel/postinst.d", name: "zz-ci-images-boot" },
  { folder: "/etc/kernel/postrm.d", name: "zz-ci-images-boot" },
  { folder: "/etc/initramfs/post-update.d", name: "zz-ci-images-boot" },
  { folder: "/etc/kernel/install.d", name: "99-ci-images-boot.install" },
];

/**
 * The kernel command line. Both consoles: a screen shows what happens on tty0, and what clouds keep as the console log is
 * ttyS0; the last one named is /dev/console, where cloud-init prints the host keys.
 */
export function kernelArguments(identifiers: DiskIdentifiers): string {
  return `root=UUID=${identifiers.rootFileSystem} ro console=tty0 console=ttyS0,115200 quiet`;
}

/**
 * /etc/fstab. The boot partition is mounted only while somebody looks at it: a worker whose power is cut then never has
 * it open, so it needs no check at boot (and the image no dosfstools). `nofail` and the short wait let the bare root
 * file system boot where there is no such partition.
 */
export function fileSystemTable(identifiers: DiskIdentifiers): string {
  return `# Written by ci-images.
UUID=${identifiers.rootFileSystem} / ext4 errors=remount-ro 0 1
PARTUUID=${identifiers.bootPartition} /boot/efi vfat umask=0077,nofail,x-systemd.automount,x-systemd.idle-timeout=60s,x-systemd.device-timeout=5s 0 0
`;
}

/**
 * Writes the boot settings into the root and fills its /boot/efi, which the caller copies onto the boot partition.
 * @returns the version of the kernel that will be booted, e.g. `6.1.0-40-cloud-amd64`.
 * @throws UserError where the root has no kernel with a ramdisk.
 */
export async function writeBootFiles(
  view: RootView,
  identifiers: DiskIdentifiers,
  signal?: AbortSignal,
): Promise<{ kernel: string }> {
  const script = await readFile(join(import.meta.dirname, "guest/update-boot-files.sh"), "utf8");
  const put = (path: string, mode: string, input: string): Promise<string> =>
    inView(view, ["sh", "-euc", 'mkdir -p "${1%/*}"; rm -f "$1"; cat >"$1"; chmod "$2" "$1"', "sh", path, mode], {
      input,
      signal,
    });
  await put(updater, "0755", script);
  await put("/etc/fstab", "0644", fileSystemTable(identifiers));
  await put("/etc/kernel/cmdline", "0644", `${kernelArguments(identifiers)}\n`);
  for (const { folder, name } of hooks) {
    await inView(view, ["sh", "-euc", 'mkdir -p "$1"; ln -sf "$3" "$1/$2"', "sh", folder, name, updater], { signal });
  }
  // An earlier life of this root may have left another boot loader's files here.
  const fill = `umask 022
rm -rf /boot/efi
mkdir -p /boot/efi/loader
: >/boot/efi/loader/loader.conf
"$1"
sed -n 's/^default linux-\\(.*\\)\\.conf$/\\1/p' /boot/efi/loader/loader.conf`;
  const kernel = await inView(view, ["sh", "-euc", fill, "sh", updater], { signal });
  if (kernel === "") {
    throw new UserError({
      where: "/boot in the image's root",
      found: "no kernel with a ramdisk (vmlinuz-VERSION and initrd.img-VERSION or initramfs-VERSION.img)",
      cure: "install a kernel in the recipe (install_packages: linux-image-cloud-amd64, initramfs-tools), or take a base that has one",
    });
  }
  return { kernel };
}
