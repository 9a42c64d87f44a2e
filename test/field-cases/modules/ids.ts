// Accounts with fixed IDs, some of them already in use. Workers that share a file server need the same IDs everywhere.
import type { Root } from "../../../provision/module.ts";

export const description = "Gives accounts fixed IDs";

export function modify(_name: string, root: Root): void {
  root.run(`
    taken=$(getent passwd 1000 | cut -d: -f1 || true)
    if [ -n "$taken" ] && [ "$taken" != field-agent ]; then
      # usermod refuses to change an account that is logged in.
      sed -i "s/^$taken:\\([^:]*\\):1000:1000:/$taken:\\1:2000:2000:/" /etc/passwd
      sed -i "s/^$taken:\\([^:]*\\):1000:/$taken:\\1:2000:/" /etc/group
      find / -xdev -uid 1000 -exec chown -h 2000 {} + -o -xdev -gid 1000 -exec chgrp -h 2000 {} +
      find "/home/$taken" -exec chown -h "$taken:$taken" {} +
    fi
    getent group 999 >/dev/null && groupmod --gid 899 "$(getent group 999 | cut -d: -f1)" || true
    getent group field-docker >/dev/null || groupadd --gid 999 field-docker
    id field-agent >/dev/null 2>&1 || useradd --uid 1000 --user-group --create-home --groups field-docker field-agent`);
  root.check(
    "the accounts have the fixed IDs",
    `[ "$(id -u field-agent)" = 1000 ] && [ "$(getent group field-docker | cut -d: -f3)" = 999 ] && [ "$(id -u ${root.loginUser})" != 1000 ]`,
  );
}
