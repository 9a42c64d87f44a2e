// cloud-init settings in the image, a per-instance script and a drop-in for cloud-final.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Changes cloud-init's settings";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/cloud/cloud.cfg.d/99-field.cfg",
    "preserve_hostname: true\nssh_deletekeys: true\npackage_update: false\nmanage_resolv_conf: false\ngrowpart: {mode: auto, devices: ['/'], ignore_growroot_disabled: true}\nbootcmd: ['mkdir -p /run/field-boot']\nruncmd: ['touch /run/field-run']\nntp: {enabled: false}\n",
  );
  root.file("/etc/systemd/system/cloud-final.service.d/boot-order.conf", "[Unit]\nAfter=network-online.target\n");
  root.file("/var/lib/cloud/scripts/per-instance/field.sh", "#!/bin/sh\ntouch /run/field-instance\n", { mode: "0755" });
  root.check("the commands of cloud-init ran", `${onBuilder} || { [ -e /run/field-boot ] && [ -e /run/field-run ]; }`);
  root.check(
    "the recipe's script exists and ran",
    `[ -x /var/lib/cloud/scripts/per-instance/field.sh ] && { ${onBuilder} || [ -e /run/field-instance ]; }`,
  );
}
