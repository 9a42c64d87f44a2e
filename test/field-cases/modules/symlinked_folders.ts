// System folders that link to /data.
import type { Root } from "../../../provision/module.ts";

export const description = "Moves folders to /data and links to them";

export function modify(_name: string, root: Root): void {
  root.run(`
    for folder in /opt /srv /var/lib/jenkins /var/cache/ci /usr/local/lib/ci; do
      mkdir -p "$folder" "/data$folder"
      if [ ! -L "$folder" ]; then cp -a "$folder/." "/data$folder/"; rm -rf "$folder"; ln -s "/data$folder" "$folder"; fi
      echo field >"$folder/field"
    done
    mkdir -p /data/log/ci; ln -sfn /data/log/ci /var/log/ci; echo line >/var/log/ci/build.log`);
  root.check(
    "the linked folders and their files exist",
    `[ "$(cat /opt/field /srv/field /var/lib/jenkins/field /var/cache/ci/field /usr/local/lib/ci/field | sort -u)" = field ] && [ -L /opt ] && [ -d /var/log/ci/ ]`,
  );
}
