// Software that writes the host name into its settings during installation. A builder of `local` has a generic host
// name, so it gets one here like on a cloud.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs software that records the host name";

const builderName = "ip-10-7-93-4";

export function modify(_name: string, root: Root): void {
  root.run(`hostname ${builderName}
debconf-set-selections <<'END'
postfix postfix/main_mailer_type select Internet Site
END`);
  root.packages(["postfix", "ssl-cert", "rabbitmq-server"]);
  root.run(`grep -q ${builderName} /etc/postfix/main.cf && [ -e /var/lib/rabbitmq/mnesia/rabbit@${builderName} ]`);
  root.check(
    "no file in /etc or /var/lib contains the builder's host name",
    `${onBuilder} || { ! grep -rlF ${builderName} /etc /var/lib 2>/dev/null | grep . && ! find /etc /var/lib -name '*${builderName}*' | grep .; }`,
  );
  root.check("Postfix accepts mail", "echo Subject: test | sendmail -bv root && systemctl is-active postfix@-.service");
  root.check("RabbitMQ answers", "for i in $(seq 60); do rabbitmqctl --quiet ping && exit; sleep 2; done; exit 1", {
    timeoutSeconds: 180,
  });
}
