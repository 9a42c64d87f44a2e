// The usual clean-up script of Packer templates, as the recipe's last step.
import type { Root } from "../../../provision/module.ts";

export const description = "Cleans up, as templates for other tools do";

export function modify(_name: string, root: Root): void {
  root.run(`
    apt-get -y autoremove --purge
    apt-get clean
    rm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/* /root/.cache /root/.bash_history /home/*/.bash_history
    journalctl --rotate || true
    journalctl --vacuum-time=1s || true
    find /var/log -type f -regex '.*\\.gz$' -delete
    find /var/log -type f -exec cp /dev/null {} \\;
    truncate --size 0 /etc/machine-id
    rm -f /var/lib/dbus/machine-id
    cloud-init clean --logs --seed
    rm -rf /var/lib/cloud
    rm -f /var/lib/dhcp/* /var/lib/systemd/random-seed
    export HISTSIZE=0
    swapoff -a
    fstrim -av || true
    sync`);
  root.check("the system is intact", `command -v cloud-init sshd growpart`);
}
