// Accounts, folders, links and copies of /usr/share/factory that systemd makes at boot from sysusers.d and tmpfiles.d.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Declares accounts and folders in sysusers.d and tmpfiles.d";

export function modify(_name: string, root: Root): void {
  root.file(
    "/etc/sysusers.d/field.conf",
    'g field-shared 985 -\nu field-daemon 986:985 "A daemon" /var/lib/field-daemon /usr/sbin/nologin\nm field-daemon field-shared\n',
  );
  root.file(
    "/etc/tmpfiles.d/field.conf",
    [
      "d /run/field 0750 field-daemon field-shared -",
      "d /var/lib/field-daemon 0700 field-daemon field-shared -",
      "C /var/lib/field-daemon/settings - field-daemon field-shared - /usr/share/factory/field/settings",
      "L+ /opt/field-current - - - - /usr/share/factory/field",
      "f /run/field/generation 0644 root root - field",
      "D! /tmp/field 1777 root root 10d",
    ].join("\n") + "\n",
  );
  root.file("/usr/share/factory/field/settings", "factory\n");
  root.run("systemd-sysusers field.conf; systemd-tmpfiles --create field.conf");
  root.check("the account has its IDs", '[ "$(id -u field-daemon) $(id -g field-daemon)" = "986 985" ]');
  root.check(
    "folders, copies and links exist with their owners",
    `[ "$(stat -c '%a %U %G' /run/field)" = "750 field-daemon field-shared" ] && [ "$(cat /var/lib/field-daemon/settings /opt/field-current/settings | sort -u)" = factory ]`,
  );
  root.check("files in /run are made at boot", `${onBuilder} || [ "$(cat /run/field/generation)" = field ]`);
}
