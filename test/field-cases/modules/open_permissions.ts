// Makes folders writable for everybody, as actions/runner-images does at the end of its build.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes /opt, /usr/share and /usr/local writable for everybody";

export function modify(_name: string, root: Root): void {
  root.run("chmod -R 777 /opt /usr/share /usr/local; chmod 777 /home");
  // Not /home: systemd-tmpfiles gives it its usual mode at every boot (/usr/lib/tmpfiles.d/home.conf).
  root.check(
    "the folders are writable for everybody",
    `[ "$(stat -c %a /opt /usr/share /usr/local | sort -u)" = 777 ]`,
  );
}
