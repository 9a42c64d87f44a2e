// Home directories outside /home, and /home itself as a link.
import type { Root } from "../../../provision/module.ts";

export const description = "Moves home directories";

export function modify(_name: string, root: Root): void {
  root.run(`
    if [ ! -L /home ]; then
      mkdir -p /data
      cp -a /home /data/home
      mv /home /home.old && ln -s data/home /home
      rm -rf /home.old
    fi
    id field-service >/dev/null 2>&1 || useradd --system --home-dir / --no-create-home field-service
    id field-agent2 >/dev/null 2>&1 || useradd --home-dir '/srv/build agents/two' --no-create-home field-agent2
    id field-none >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --no-create-home field-none
    id field-opt >/dev/null 2>&1 || useradd --system --home-dir /opt --no-create-home field-opt
    mkdir -p '/srv/build agents/two/core' /opt/core
    echo work >'/srv/build agents/two/core/file'
    echo work >/opt/core/file
    chown -R field-agent2 '/srv/build agents/two'`);
  root.check(
    "the files in the home directories exist",
    `[ "$(cat '/srv/build agents/two/core/file' /opt/core/file | sort -u)" = work ]; [ -L /home ]; [ -d /data/home ]`,
  );
}
