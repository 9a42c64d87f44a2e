// Packages that generate a machine identity during installation. No two workers may share one.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs software that generates a machine identity";

/** Each software's name, its packages, and the Bash command that prints its identity. */
const identities: [name: string, packages: string[], show: string][] = [
  ["iSCSI initiator", ["open-iscsi"], "grep ^InitiatorName= /etc/iscsi/initiatorname.iscsi"],
  ["NVMe host", ["nvme-cli"], "cat /etc/nvme/hostnqn /etc/nvme/hostid"],
  ["popularity-contest", ["popularity-contest"], "grep ^MY_HOSTID= /etc/popularity-contest.conf"],
  ["Erlang cookie", ["rabbitmq-server"], "cat /var/lib/rabbitmq/.erlang.cookie"],
  ["Salt minion", [], "cat /etc/salt/pki/minion/minion.pem /etc/salt/minion_id"],
  ["munge key", ["munge"], "base64 -w0 /etc/munge/munge.key"],
  ["dropbear", ["dropbear"], "base64 -w0 /etc/dropbear/dropbear_ed25519_host_key"],
];

export function modify(_name: string, root: Root): void {
  // dropbear would use sshd's port.
  root.run("systemctl mask dropbear.service");
  root.packages(identities.flatMap(([, packages]) => packages));
  identities.forEach(([name, packages, show], index) => {
    if (packages.length === 0) return;
    root.run(`install -d -m 0755 /opt/field-identity; (${show}) | sha256sum >/opt/field-identity/${index}`);
    root.check(
      `${name}: the worker does not have the builder's identity`,
      `${onBuilder} || [ "$( (${show}) 2>/dev/null | sha256sum)" != "$(cat /opt/field-identity/${index})" ]`,
    );
  });
}
