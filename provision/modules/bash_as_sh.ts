// Makes /bin/sh bash: many jobs have bash syntax under `#!/bin/sh`.
import type { Root } from "../module.ts";

export const description = "Makes /bin/sh bash";

/** Records the change. On Red Hat's family bash is the default, so it is only checked. */
export function modify(_name: string, root: Root): void {
  if (root.distribution.family === "debian")
    root.run(
      [
        // A diversion, so that an update of package dash doesn't restore its link. Debian 13 ships the link under /usr.
        `for link in /bin/sh /usr/bin/sh; do`,
        `  if dpkg-query --search "$link" >/dev/null 2>&1 && ! dpkg-divert --list "$link" | grep . >/dev/null; then`,
        `    dpkg-divert --local --no-rename --divert "$link.distrib" --add "$link"`,
        `  fi`,
        `done`,
        // Under a new name first: /bin/sh must exist at every moment.
        `ln -s -f bash /bin/sh.new`,
        `mv -f -T /bin/sh.new /bin/sh`,
      ].join("\n"),
    );
  root.check("/bin/sh is bash", `[ "$(readlink -f /bin/sh)" = "$(readlink -f /bin/bash)" ]`, { independent: true });
}
