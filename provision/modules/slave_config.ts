// Creates /etc/slave_config, to which the Jenkins controller copies files.
import type { Root } from "../module.ts";

export const description = "Creates /etc/slave_config, a folder that the Jenkins controller can write to";

/** Records the folder. */
export function modify(_name: string, root: Root): void {
  root.run("install -d -m 0777 /etc/slave_config");
  root.check(
    "/etc/slave_config exists with mode 0777",
    `[ "$(stat -c '%F %a' /etc/slave_config)" = "directory 777" ]`,
    { independent: true },
  );
}
