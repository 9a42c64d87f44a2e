// NetworkManager, a local resolver and custom firewall rules.
import type { Root } from "../../../provision/module.ts";

export const description = "Replaces the network services";

export function modify(_name: string, root: Root): void {
  root.packages(["network-manager", "dnsmasq", "nftables"]);
  root.file(
    "/etc/NetworkManager/conf.d/field.conf",
    "[main]\ndns=none\n[keyfile]\nunmanaged-devices=interface-name:docker*;interface-name:veth*\n",
  );
  root.file(
    "/etc/dnsmasq.d/field.conf",
    "port=53\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nserver=169.254.169.253\ncache-size=1000\n",
  );
  // It started with the package, before this file was there, and systemd-resolved has the port on another address.
  root.run("systemctl restart dnsmasq");
  root.file(
    "/etc/nftables.conf",
    "#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n  chain input {\n    type filter hook input priority 0; policy drop;\n    ct state established,related accept\n    iif lo accept\n    tcp dport 22 accept\n    udp sport 67 accept\n  }\n}\n",
  );
  root.enable("nftables.service", { start: false });
  root.check(
    "the network services are enabled and dnsmasq runs",
    "systemctl is-enabled dnsmasq nftables NetworkManager && systemctl is-active dnsmasq",
  );
}
