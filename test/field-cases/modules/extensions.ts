// A system extension of /usr, a portable service and a root for systemd-nspawn.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Adds a system extension, a portable service and an nspawn container";

export function modify(_name: string, root: Root): void {
  root.packages(["systemd-container", "squashfs-tools", "busybox-static"]);
  root.run(`
    work=$(mktemp -d /var/tmp/field-extensions.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    # A system extension, merged over /usr at boot.
    mkdir -p "$work/extension/usr/lib/extension-release.d" "$work/extension/usr/share/field-extension"
    echo ID=_any >"$work/extension/usr/lib/extension-release.d/extension-release.field"
    echo extended >"$work/extension/usr/share/field-extension/file"
    mkdir -p /var/lib/extensions
    mksquashfs "$work/extension" /var/lib/extensions/field.raw -noappend -quiet -all-root
    systemctl enable systemd-sysext.service
    # A portable service: a root file system that contains a unit.
    mkdir -p "$work/portable"/{bin,etc,proc,sys,dev,run,tmp,var/tmp,usr/lib/systemd/system}
    cp /bin/busybox "$work/portable/bin/"
    touch "$work/portable/etc/resolv.conf" "$work/portable/etc/machine-id"
    printf 'ID=field\\nVERSION_ID=1\\n' >"$work/portable/usr/lib/os-release"
    printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/busybox echo portable\\n[Install]\\nWantedBy=multi-user.target\\n' >"$work/portable/usr/lib/systemd/system/field-portable.service"
    mkdir -p /var/lib/portables
    mksquashfs "$work/portable" /var/lib/portables/field-portable.raw -noappend -quiet -all-root
    # An nspawn container, which needs no network.
    mkdir -p /var/lib/machines/field/{bin,etc,usr}
    cp /bin/busybox /var/lib/machines/field/bin/
    printf 'ID=field\\n' >/var/lib/machines/field/etc/os-release`);
  root.check(
    "the system extension is merged",
    `${onBuilder} || [ "$(cat /usr/share/field-extension/file)" = extended ]`,
  );
  root.check(
    "the portable service runs",
    `${onBuilder} || { portablectl list | grep -q field-portable; portablectl attach --runtime --now field-portable; systemctl is-active field-portable; portablectl detach --runtime --now field-portable; }`,
    { timeoutSeconds: 120 },
  );
  root.check(
    "the nspawn container runs",
    `${onBuilder} || [ "$(systemd-nspawn --quiet --pipe --register=no --private-network --directory=/var/lib/machines/field /bin/busybox echo inside)" = inside ]`,
    { timeoutSeconds: 120 },
  );
}
