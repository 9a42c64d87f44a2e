import type { Root } from "../../../provision/module.ts";

export const description = "Uses dpkg's alternatives, diversions and statoverrides";

export function modify(_name: string, root: Root): void {
  root.packages(["vim-tiny", "nano"]);
  root.run(`
    dpkg-divert --local --rename --divert /usr/bin/logger.real --add /usr/bin/logger
    printf '#!/bin/sh\\nexec /usr/bin/logger.real "$@"\\n' >/usr/bin/logger; chmod 755 /usr/bin/logger
    dpkg-statoverride --list /usr/bin/wall >/dev/null || dpkg-statoverride --update --add root root 0700 /usr/bin/wall
    update-alternatives --install /usr/local/bin/field-tool field-tool /bin/true 10
    update-alternatives --install /usr/local/bin/field-tool field-tool /bin/false 20
    update-alternatives --set field-tool /bin/true
    update-alternatives --set editor /usr/bin/vim.tiny`);
  root.check(
    "the diversion is in place",
    `dpkg-divert --list | grep -q logger.real; head -c 2 /usr/bin/logger | grep -q '#!'; [ -x /usr/bin/logger.real ]`,
  );
  root.check("the override is in place", `[ "$(stat -c %a /usr/bin/wall)" = 700 ]`);
  root.check(
    "the alternatives are in place",
    `field-tool; [ "$(readlink /etc/alternatives/editor)" = /usr/bin/vim.tiny ]`,
  );
}
