// Packages that make an identity of the machine when they are installed: no two workers may share one.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs software that makes an identity when it is installed";

/** Software, the file its identity is in, and the bash that prints it. */
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
  // It wants the port that sshd has.
  root.run("systemctl mask dropbear.service");
  root.packages(identities.flatMap(([, packages]) => packages));
  identities.forEach(([name, packages, show], index) => {
    if (packages.length === 0) return;
    root.run(`install -d -m 0755 /opt/field-identity; (${show}) | sha256sum >/opt/field-identity/${index}`);
    root.check(
      `${name}: the worker has one of its own, or none yet`,
      `${onBuilder} || [ "$( (${show}) 2>/dev/null | sha256sum)" != "$(cat /opt/field-identity/${index})" ]`,
    );
  });
}
