// GRUB beside our own boot loader, with kernel arguments in GRUB's settings, as recipes for clouds do it.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs GRUB and changes its settings";

export function modify(_name: string, root: Root): void {
  root.run(`
    echo 'grub-pc grub-pc/install_devices_empty boolean true' | debconf-set-selections
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends grub-pc grub-efi-amd64-bin
    sed -i 's/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="net.ifnames=0 mitigations=off quiet"/;s/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=0/' /etc/default/grub
    # update-grub fails on a builder of local, which has no disk below /.
    ${onBuilder} || update-grub`);
  root.check(
    "the image boots with GRUB's kernel arguments",
    `${onBuilder} || { grep -qw net.ifnames=0 /proc/cmdline && grep -qw mitigations=off /proc/cmdline; }`,
  );
}
