// Answers to debconf's questions, given before the packages that ask.
import type { Root } from "../../../provision/module.ts";

export const description = "Answers debconf's questions";

export function modify(_name: string, root: Root): void {
  root.run(`
    debconf-set-selections <<'END'
wireshark-common wireshark-common/install-setuid boolean true
iptables-persistent iptables-persistent/autosave_v4 boolean true
iptables-persistent iptables-persistent/autosave_v6 boolean true
keyboard-configuration keyboard-configuration/layoutcode string de
man-db man-db/auto-update boolean false
END`);
  root.packages([
    "wireshark-common",
    "iptables-persistent",
    "keyboard-configuration",
    "console-setup",
    "man-db",
    "debconf-utils",
  ]);
  root.check(
    "the answers count",
    `getcap /usr/bin/dumpcap | grep -q cap_net_raw; grep -q '^XKBLAYOUT="de"' /etc/default/keyboard; debconf-show man-db | grep -q 'auto-update: false'`,
  );
  root.check("the database can be read", `debconf-get-selections >/dev/null`);
}
