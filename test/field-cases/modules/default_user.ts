// cloud-init installs SSH keys for a different account than the distribution's default.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes another account cloud-init's default";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/cloud/cloud.cfg.d/99-user.cfg",
    "system_info:\n  default_user:\n    name: builder\n    lock_passwd: true\n    groups: [adm]\n    sudo: ['ALL=(ALL) NOPASSWD:ALL']\n    shell: /bin/bash\n",
  );
  root.check("the default user is set", "grep -q 'name: builder' /etc/cloud/cloud.cfg.d/99-user.cfg");
}
