// Software that writes the host's name into its settings when it is installed.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs software that notes the host's name";

export function modify(_name: string, root: Root): void {
  root.run(`debconf-set-selections <<'END'
postfix postfix/main_mailer_type select Internet Site
END`);
  root.packages(["postfix", "ssl-cert"]);
  root.run(`hostname >/opt/field-builder-name; echo "$(hostname)" | sha256sum >/dev/null`);
  root.check(
    "no file in /etc has the builder's name",
    `${onBuilder} || { name=$(cat /opt/field-builder-name); ! grep -rlF -- "$name" /etc /var/lib 2>/dev/null | grep .; }`,
  );
}
