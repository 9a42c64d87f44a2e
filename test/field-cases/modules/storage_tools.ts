// LVM, RAID and encryption, with hooks in the initial ramdisk and entries for disks that only some workers have.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs LVM, mdadm and cryptsetup";

export function modify(_name: string, root: Root): void {
  root.packages([
    "lvm2",
    "mdadm",
    "cryptsetup",
    "cryptsetup-initramfs",
    "thin-provisioning-tools",
    "xfsprogs",
    "btrfs-progs",
  ]);
  root.run(`
    grep -q field-scratch /etc/crypttab || echo 'field-scratch /dev/disk/by-label/field-scratch /dev/urandom noauto,nofail,tmp' >>/etc/crypttab
    grep -q field-array /etc/mdadm/mdadm.conf || echo 'ARRAY /dev/md/field-array UUID=11111111:22222222:33333333:44444444' >>/etc/mdadm/mdadm.conf
    grep -q /mnt/scratch /etc/fstab || echo 'LABEL=field-scratch /mnt/scratch xfs noauto,nofail,x-systemd.device-timeout=5 0 0' >>/etc/fstab
    mkdir -p /mnt/scratch
    update-initramfs -u`);
  root.check(
    "cryptsetup makes an encrypted volume",
    `work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; truncate -s 32M "$work/volume"; echo field | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$work/volume" - && cryptsetup isLuks "$work/volume"`,
    { timeoutSeconds: 180 },
  );
  root.check(
    "the entries for other disks exist",
    "grep -q field-scratch /etc/crypttab && grep -q field-array /etc/mdadm/mdadm.conf && grep -q '^LABEL=field-scratch' /etc/fstab",
  );
  root.check("LVM works on the image", `${onBuilder} || lvm fullreport >/dev/null`, { timeoutSeconds: 120 });
}
