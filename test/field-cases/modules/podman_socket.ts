// podman's sockets of the system and of all accounts.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Enables podman's socket for all accounts";

export function modify(_name: string, root: Root): void {
  root.packages(["podman", "uidmap", "slirp4netns", "dbus-user-session", "curl"]);
  root.file(
    "/etc/containers/registries.conf.d/field.conf",
    'unqualified-search-registries = ["registry.example.com"]\n',
  );
  root.file(
    "/etc/containers/containers.conf.d/field.conf",
    '[containers]\nlog_driver = "k8s-file"\n[engine]\ncgroup_manager = "cgroupfs"\n',
  );
  root.run(`
    systemctl --global enable podman.socket
    systemctl enable podman.socket
    id field-socket >/dev/null 2>&1 || useradd --create-home field-socket
    loginctl enable-linger field-socket`);
  root.check(
    "podman answers at the account's socket",
    `${onBuilder} || runuser -u field-socket -- sh -c 'cd; curl --silent --show-error --max-time 120 --retry 20 --retry-delay 3 --retry-all-errors --unix-socket "/run/user/$(id -u)/podman/podman.sock" http://d/_ping' | grep -q OK`,
    { timeoutSeconds: 300 },
  );
  root.check(
    "podman answers at the system's socket",
    `${onBuilder} || curl --silent --max-time 120 --unix-socket /run/podman/podman.sock http://d/_ping | grep -q OK`,
    { timeoutSeconds: 180 },
  );
}
