// udev rules for a link, a mode and a disk's read-ahead, an hwdb entry and a .link file.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Adds udev rules";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/udev/rules.d/90-field.rules",
    [
      'KERNEL=="null", SYMLINK+="field-null"',
      'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"',
      'ACTION=="add|change", KERNEL=="vd[a-z]", SUBSYSTEM=="block", ATTR{queue/read_ahead_kb}="4096"',
    ].join("\n") + "\n",
  );
  root.file("/etc/udev/hwdb.d/90-field.hwdb", "field:*\n FIELD_COLOUR=blue\n");
  root.file("/etc/systemd/network/90-field.link", "[Match]\nDriver=veth\n\n[Link]\nMACAddressPolicy=none\n");
  root.run("systemd-hwdb update; udevadm verify /etc/udev/rules.d/90-field.rules 2>/dev/null || true");
  root.check(
    "the hardware database has the entry",
    "udevadm hwdb --test=field:x 2>/dev/null | grep -q FIELD_COLOUR=blue || systemd-hwdb query field:x | grep -q FIELD_COLOUR=blue",
  );
  root.check(
    "the rules were applied at boot",
    `${onBuilder} || { [ -e /dev/field-null ] && [ "$(cat /sys/block/vda/queue/read_ahead_kb)" = 4096 ]; }`,
  );
}
