// libvirt with its network, and QEMU.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs libvirt and QEMU";

export function modify(_name: string, root: Root): void {
  root.packages(["libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils", "dnsmasq-base"]);
  root.run(`
    usermod -aG libvirt,kvm ${root.loginUser}
    virsh net-autostart default || ln -sf /etc/libvirt/qemu/networks/default.xml /etc/libvirt/qemu/networks/autostart/default.xml
    qemu-img create -q -f qcow2 /var/lib/libvirt/images/field.qcow2 10G
    grep -h '<uuid>' /etc/libvirt/qemu/networks/default.xml >/opt/field-libvirt-uuid || true`);
  root.check("libvirt's network is active on the image", `${onBuilder} || virsh net-list --name | grep -qx default`, {
    timeoutSeconds: 180,
  });
}
