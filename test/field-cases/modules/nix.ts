// Nix with its daemon, store and build accounts, and a path in the store.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs Nix and adds a file to its store";

export function modify(_name: string, root: Root): void {
  root.packages(["nix-bin", "nix-setup-systemd"]);
  root.run(`
    echo 'sandbox = false' >>/etc/nix/nix.conf
    # Debian's package starts both units, but a socket can't start while its service runs.
    systemctl stop nix-daemon.socket nix-daemon.service
    systemctl start nix-daemon.socket
    echo field >/opt/field-nix
    nix-store --add /opt/field-nix >/opt/field-nix-path`);
  root.check(
    "the store is intact",
    `[ "$(cat "$(cat /opt/field-nix-path)")" = field ] && nix-store --verify --check-contents`,
  );
  root.check("the file in the store is read-only", `[ "$(stat -c %a "$(cat /opt/field-nix-path)")" = 444 ]`);
}
