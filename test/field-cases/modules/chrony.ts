// Another time daemon in place of systemd's, and the zone as images set it by hand.
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
  root.check("the zone", `[ "$(date -d @0 +%z)" = +1245 ]`);
  root.check("it runs on the image", `${onBuilder} || systemctl is-active chrony`);
}
