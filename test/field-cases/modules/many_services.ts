// Services that look for hardware, hypervisors or networks. None of them may fail on a worker without these.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Installs services that look for hardware and hypervisors";

export function modify(_name: string, root: Root): void {
  root.packages([
    ...["open-vm-tools", "qemu-guest-agent", "smartmontools", "lm-sensors", "irqbalance", "haveged", "rng-tools5"],
    ...["multipath-tools", "lvm2", "mdadm", "nfs-kernel-server", "autofs", "cups", "avahi-daemon", "udisks2", "fwupd"],
    ...["acpid", "thermald", "earlyoom", "prometheus-node-exporter", "memcached", "redis-server"],
  ]);
  root.check("no unit has failed", `${onBuilder} || ! systemctl --failed --plain --no-legend | grep .`);
  root.check(
    "services that need no special hardware are running",
    `systemctl is-active irqbalance memcached redis-server prometheus-node-exporter`,
  );
}
