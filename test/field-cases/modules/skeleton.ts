// Defaults of new accounts: /etc/skel, adduser's settings, subordinate IDs and the shell.
import type { Root } from "../../../provision/module.ts";

export const description = "Changes the defaults of new accounts";

export function modify(_name: string, root: Root): void {
  root.packages(["adduser", "zsh"]);
  root.run(`
    mkdir -p /etc/skel/.config/field /etc/skel/.ssh /etc/skel/bin
    printf 'Host *\\n  ServerAliveInterval 30\\n' >/etc/skel/.ssh/config; chmod 700 /etc/skel/.ssh; chmod 600 /etc/skel/.ssh/config
    echo 'export FIELD=1' >>/etc/skel/.profile
    ln -sf /opt/shared /etc/skel/shared
    sed -i 's/^#\\?DSHELL=.*/DSHELL=\\/bin\\/zsh/;s/^#\\?DIR_MODE=.*/DIR_MODE=0750/' /etc/adduser.conf
    printf 'SHELL=/bin/zsh\\nSKEL=/etc/skel\\nINACTIVE=-1\\n' >/etc/default/useradd
    sed -i 's/^SUB_UID_COUNT.*/SUB_UID_COUNT 131072/' /etc/login.defs
    id field-new >/dev/null 2>&1 || adduser --disabled-password --gecos '' field-new`);
  root.check(
    "an account made during the bake has the defaults",
    `cd /home/field-new && [ -f .ssh/config ] && [ -L shared ] && grep -q FIELD .profile && [ "$(stat -c %a .)" = 750 ] && getent passwd field-new | grep -q /bin/zsh$`,
  );
  root.check(
    "accounts made on the worker will have them",
    `[ -f /etc/skel/.ssh/config ] && [ "$(stat -c %a /etc/skel/.ssh)" = 700 ] && grep -q zsh /etc/default/useradd`,
  );
}
