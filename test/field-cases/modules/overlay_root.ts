// overlayroot's hook in the initial ramdisk, disabled unless a kernel argument enables it.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs overlayroot";

export function modify(_name: string, root: Root): void {
  root.packages(["overlayroot", "cloud-initramfs-growroot"]);
  root.run("sed -i 's/^overlayroot=.*/overlayroot=\"disabled\"/' /etc/overlayroot.conf; update-initramfs -u -k all");
  root.check(
    "the ramdisk contains overlayroot",
    `lsinitramfs "$(ls /boot/initrd.img-* | tail -n 1)" | grep -q overlayroot`,
  );
}
