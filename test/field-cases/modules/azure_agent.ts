// Another cloud's agent, as in images for several clouds.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs Azure's agent";

export function modify(_name: string, root: Root): void {
  root.packages(["waagent"]);
  root.run(
    "sed -i 's/^Provisioning.Agent=.*/Provisioning.Agent=cloud-init/;s/ResourceDisk.Format=y/ResourceDisk.Format=n/' /etc/waagent.conf; systemctl is-enabled walinuxagent || true",
  );
  root.check("the agent is installed", "command -v waagent");
}
