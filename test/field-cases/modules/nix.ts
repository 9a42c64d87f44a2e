// Nix with its daemon, its store and its build accounts, and a path in the store.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs Nix and puts something into its store";

export function modify(_name: string, root: Root): void {
  root.packages(["nix-bin", "nix-setup-systemd"]);
  root.run(`
    echo 'sandbox = false' >>/etc/nix/nix.conf
    # Debian's package starts both at once, and a socket is refused where its service runs.
    systemctl stop nix-daemon.socket nix-daemon.service
    systemctl start nix-daemon.socket
    echo field >/opt/field-nix
    nix-store --add /opt/field-nix >/opt/field-nix-path`);
  root.check(
    "the store is whole",
    `[ "$(cat "$(cat /opt/field-nix-path)")" = field ] && nix-store --verify --check-contents`,
  );
  root.check("the store is read-only for others", `[ "$(stat -c %a "$(cat /opt/field-nix-path)")" = 444 ]`);
}
