// snapd without its store, which can't be reached here.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs snapd";

export function modify(_name: string, root: Root): void {
  root.packages(["snapd", "squashfs-tools"]);
  root.run(
    "grep -q /snap/bin /etc/environment || echo 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin' >>/etc/environment; mkdir -p /snap",
  );
  root.check("snapd answers on the image", `${onBuilder} || snap version | grep -q snapd`, { timeoutSeconds: 120 });
}
