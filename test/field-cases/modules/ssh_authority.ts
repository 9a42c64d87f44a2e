// Logins with SSH certificates: sshd trusts a company's authority and maps principals to accounts.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Sets up logins with SSH certificates";

export function modify(_name: string, root: Root): void {
  root.run(`
    id field-ssh >/dev/null 2>&1 || useradd --create-home --shell /bin/bash field-ssh
    if [ ! -s /etc/ssh/field-authority.pub ]; then
      work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
      ssh-keygen -q -t ed25519 -N '' -C 'field authority' -f "$work/authority"
      cp "$work/authority.pub" /etc/ssh/field-authority.pub
    fi
    mkdir -p /etc/ssh/auth_principals; echo engineers >/etc/ssh/auth_principals/field-ssh
    printf 'TrustedUserCAKeys /etc/ssh/field-authority.pub\\nAuthorizedPrincipalsFile /etc/ssh/auth_principals/%%u\\nMatch User field-ssh\\n  AuthenticationMethods publickey\\n  PermitTTY no\\n' >/etc/ssh/sshd_config.d/field.conf
    sshd -t`);
  root.check(
    "sshd accepts the settings",
    "sshd -t && sshd -T -C user=field-ssh,host=h,addr=192.0.2.1 | grep -qi '^trustedusercakeys /etc/ssh/field-authority.pub'",
  );
  root.check(
    "the authority and the principals exist",
    `grep -q 'field authority' /etc/ssh/field-authority.pub && [ -s /etc/ssh/auth_principals/field-ssh ]`,
  );
  root.check("sshd runs with the settings on the image", `${onBuilder} || systemctl is-active ssh`);
}
