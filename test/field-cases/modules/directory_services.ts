// Directory and file services whose databases contain the machine's name or ID.
import type { Root } from "../../../provision/module.ts";

export const description = "Installs slapd, Samba and a DNS resolver with keys";

export function modify(_name: string, root: Root): void {
  root.run(`debconf-set-selections <<'END'
slapd slapd/domain string example.com
slapd shared/organization string example
slapd slapd/password1 password field
slapd slapd/password2 password field
END`);
  root.packages(["slapd", "ldap-utils", "samba", "unbound", "bind9-dnsutils"]);
  root.run(
    "systemctl disable --now unbound; printf 'server:\\n  interface: 127.0.0.1\\n  port: 5353\\n' >/etc/unbound/unbound.conf.d/field.conf",
  );
  root.check(
    "the directory answers",
    "ldapsearch -x -LLL -H ldap://127.0.0.1 -b dc=example,dc=com dn | grep -q dc=example",
    { timeoutSeconds: 120 },
  );
  root.check("Samba answers", "smbd --version && systemctl is-active smbd", { timeoutSeconds: 120 });
}
