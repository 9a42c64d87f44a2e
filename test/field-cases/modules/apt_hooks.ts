// Tools that hook into apt to ask questions, restart services, list bugs or commit /etc.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs tools that hook into apt";

export function modify(_name: string, root: Root): void {
  root.packages([
    "needrestart",
    "apt-listchanges",
    "debsums",
    "etckeeper",
    "molly-guard",
    "unattended-upgrades",
    "apt-show-versions",
  ]);
  root.run(
    `git config --system user.email root@example.com; git config --system user.name root; cd /etc; etckeeper commit first || true`,
  );
  root.packages(["libxml2-utils", "nano"]);
  root.check("the tools are installed", "command -v needrestart debsums etckeeper && xmllint --version");
  root.check("unattended upgrades are enabled", "systemctl is-enabled unattended-upgrades");
}
