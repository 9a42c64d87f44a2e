// Answers debconf's questions before the packages are installed.
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
    "the packages use the answers",
    `getcap /usr/bin/dumpcap | grep -q cap_net_raw; grep -q '^XKBLAYOUT="de"' /etc/default/keyboard; debconf-show man-db | grep -q 'auto-update: false'`,
  );
  root.check("debconf's database is readable", `debconf-get-selections >/dev/null`);
}
