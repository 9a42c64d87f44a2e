// chrony instead of systemd's time daemon, and a time zone set by hand.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Replaces the time daemon";

export function modify(_name: string, root: Root): void {
  root.packages(["chrony"]);
  root.run(`
    ln -sf /usr/share/zoneinfo/Pacific/Chatham /etc/localtime
    echo Pacific/Chatham >/etc/timezone
    echo 'server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4' >/etc/chrony/sources.d/field.sources`);
  root.enable("chrony.service", { start: false });
  root.check("the time zone is set", `[ "$(date -d @0 +%z)" = +1245 ]`);
  root.check("chrony runs on the image", `${onBuilder} || systemctl is-active chrony`);
}
