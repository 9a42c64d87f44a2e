// systemd-resolved takes over /etc/resolv.conf in the middle of a bake.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs systemd-resolved";

export function modify(_name: string, root: Root): void {
  root.packages(["systemd-resolved"]);
  root.file("/etc/systemd/resolved.conf.d/field.conf", "[Resolve]\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n");
  root.packages(["whois"]);
  root.check("systemd-resolved manages resolv.conf", `${onBuilder} || [ -L /etc/resolv.conf ]`);
}
