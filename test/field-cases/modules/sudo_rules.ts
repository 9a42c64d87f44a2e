// sudo rules in files that include others, with settings that can block scripts.
import type { Root } from "../../../provision/module.ts";

export const description = "Adds sudo rules";

export function modify(_name: string, root: Root): void {
  root.run(`
    getent group field-admins >/dev/null || groupadd --system field-admins
    id field-operator >/dev/null 2>&1 || useradd --create-home --groups field-admins field-operator
    mkdir -p /etc/sudoers.local.d
    cat >/etc/sudoers.d/10_field <<'END'
Defaults:%field-admins !requiretty, env_keep += "HTTP_PROXY NO_PROXY", timestamp_timeout=0
Defaults secure_path="/opt/field/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Cmnd_Alias FIELD_SERVICES = /usr/bin/systemctl restart field*, /usr/bin/systemctl status field*
%field-admins ALL=(root) NOPASSWD: FIELD_SERVICES, /usr/bin/id
@includedir /etc/sudoers.local.d
END
    printf 'Defaults:field-operator lecture=never\\nfield-operator ALL=(nobody) NOPASSWD: ALL\\n' >/etc/sudoers.local.d/operator
    printf 'Defaults use_pty, requiretty\\nDefaults:${root.loginUser} !requiretty\\n' >/etc/sudoers.d/zz_field
    chmod 0440 /etc/sudoers.d/10_field /etc/sudoers.d/zz_field /etc/sudoers.local.d/operator
    sed -i 's/^Defaults.*env_reset/Defaults\\tenv_reset, !visiblepw/' /etc/sudoers`);
  root.check("the files are valid", "visudo -c");
  root.check(
    "the rules apply",
    `[ "$(runuser -u field-operator -- script -qec 'sudo -n /usr/bin/id -u; sudo -n -u nobody /usr/bin/id -un' /dev/null | grep -owE '0|nobody' | tr '\\n' ' ')" = "0 nobody " ]`,
    { timeoutSeconds: 60 },
  );
}
