// Limits where cloud-init looks for its data, and makes it continue without a cloud.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Limits cloud-init's data sources";

export function modify(_name: string, root: Root): void {
  root.file("/etc/cloud/cloud.cfg.d/91-field-sources.cfg", "datasource_list: [NoCloud, ConfigDrive, None]\n");
  root.file("/etc/cloud/ds-identify.cfg", "policy: search,found=first,maybe=none,notfound=enabled\n");
  root.file(
    "/etc/cloud/cloud.cfg.d/92-field-modules.cfg",
    "cloud_final_modules: [package-update-upgrade-install, scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]\nfinal_message: field is up\ndisable_root: true\nsyslog_fix_perms: root:adm\n",
  );
  root.file("/etc/netplan/99-field.yaml", "network: {version: 2}\n", { mode: "0600" });
  root.check(
    "the worker found its data source",
    `${onBuilder} || { cloud-init query --all >/dev/null && cloud-init status --wait | grep -q 'status: done'; }`,
    { timeoutSeconds: 300 },
  );
  root.check(
    "cloud-init printed the custom final message",
    `${onBuilder} || grep -q 'field is up' /var/log/cloud-init-output.log`,
  );
}
