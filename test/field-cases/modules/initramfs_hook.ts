// A custom hook, script and kernel module in the initial ramdisk.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Adds a hook to the initial ramdisk";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/initramfs-tools/hooks/field",
    `#!/bin/sh\n[ "$1" = prereqs ] && exit 0\n. /usr/share/initramfs-tools/hook-functions\ncopy_exec /usr/bin/sha256sum /bin\nmkdir -p "$DESTDIR/etc"; echo field >"$DESTDIR/etc/field"\n`,
    { mode: "0755" },
  );
  root.file(
    "/etc/initramfs-tools/scripts/init-bottom/field",
    `#!/bin/sh\n[ "$1" = prereqs ] && exit 0\nmkdir -p /run/field && cat /etc/field >/run/field/seen\n`,
    { mode: "0755" },
  );
  root.run(`grep -qx dummy /etc/initramfs-tools/modules || echo dummy >>/etc/initramfs-tools/modules
    sed -i 's/^COMPRESS=.*/COMPRESS=gzip/' /etc/initramfs-tools/initramfs.conf
    update-initramfs -u -k all`);
  root.check(
    "the ramdisk contains the hook's file",
    `lsinitramfs "$(ls /boot/initrd.img-* | tail -n 1)" | grep -qx etc/field`,
  );
  root.check(
    "the script ran and the module was loaded at boot",
    `${onBuilder} || { [ "$(cat /run/field/seen)" = field ] && lsmod | grep -q ^dummy; }`,
  );
}
