// dracut instead of initramfs-tools.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Makes the initial ramdisk with dracut";

export function modify(_name: string, root: Root): void {
  root.run(`
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends dracut
    printf 'hostonly="no"\\nadd_drivers+=" virtio_blk virtio_pci virtio_net "\\n' >/etc/dracut.conf.d/field.conf
    for kernel in /lib/modules/*; do dracut --force "/boot/initrd.img-\${kernel##*/}" "\${kernel##*/}"; done`);
  root.check(
    "the ramdisk is dracut's",
    `lsinitrd "$(ls /boot/initrd.img-* | tail -n 1)" 2>/dev/null | grep -qi dracut`,
  );
  root.check("the image booted with dracut", `${onBuilder} || journalctl -b --no-pager | grep -q dracut`);
}
