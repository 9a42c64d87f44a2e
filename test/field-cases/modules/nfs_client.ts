// Network shares that fstab and the automounter mount on first access.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Mounts network shares on first access";

export function modify(_name: string, root: Root): void {
  root.packages(["nfs-common", "cifs-utils", "autofs"]);
  root.run(`
    mkdir -p /mnt/cache /mnt/release
    grep -q /mnt/cache /etc/fstab || cat >>/etc/fstab <<'END'
192.0.2.10:/export/cache /mnt/cache nfs4 noauto,_netdev,nofail,x-systemd.automount,x-systemd.idle-timeout=60,x-systemd.mount-timeout=5 0 0
//192.0.2.11/release /mnt/release cifs noauto,_netdev,nofail,guest 0 0
END
    echo '/field-auto /etc/auto.field --timeout=60' >/etc/auto.master.d/field.autofs
    echo 'tools -fstype=nfs4,soft,timeo=5,retrans=1 192.0.2.10:/export/tools' >/etc/auto.field
    sed -i 's/^# *Domain *=.*/Domain = example.com/' /etc/idmapd.conf
    grep -q 'options lockd' /etc/modprobe.d/field-nfs.conf 2>/dev/null || echo 'options lockd nlm_udpport=4001 nlm_tcpport=4001' >/etc/modprobe.d/field-nfs.conf`);
  root.check("both lines are in fstab", "[ \"$(grep -c '^192.0.2.10:\\|^//192.0.2.11' /etc/fstab)\" = 2 ]");
  root.check(
    "the shares are ready to be mounted on first access",
    `${onBuilder} || { systemctl is-active mnt-cache.automount autofs && [ "$(findmnt -no FSTYPE /mnt/cache)" = autofs ]; }`,
    { timeoutSeconds: 60 },
  );
}
