// Higher limits in every file that sets limits, enforced by PAM.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Raises the limits of open files and stack size";

export function modify(_name: string, root: Root): void {
  root.run(`
    for file in common-session common-session-noninteractive; do
      grep -qx 'session required pam_limits.so' /etc/pam.d/$file || echo 'session required pam_limits.so' >>/etc/pam.d/$file
    done
    grep -q '^DefaultLimitNOFILE=' /etc/systemd/system.conf || printf 'DefaultLimitNOFILE=65536\\nDefaultLimitSTACK=16M:infinity\\n' >>/etc/systemd/system.conf
    grep -q 'field' /etc/security/limits.conf || cat >>/etc/security/limits.conf <<'END'
# field
* soft nofile 1048576
* hard nofile 1048576
* soft stack 16384
* hard stack 16384
root soft nofile 1048576
root hard nofile 1048576
* - memlock unlimited
* - rtprio 99
END`);
  // A builder can't exceed this computer's limits.
  root.check(
    "logins on the image get the limits",
    `${onBuilder} || [ "$(su - ${root.loginUser} -c 'ulimit -n')" = 1048576 ]`,
  );
}
