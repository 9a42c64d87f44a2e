// The content of a bootstrapped base image: the minimum that boots everywhere, runs cloud-init, accepts SSH and grows
// its root.
import type { Distribution } from "../../../../provision/module.ts";

const common = [
  ...["systemd", "systemd-sysv", "dbus", "libnss-myhostname", "netbase", "iproute2"],
  // zstd: the initial ramdisk is packed and unpacked several times faster than with gzip.
  ...["initramfs-tools", "zstd"],
  ...["openssh-server", "sudo", "ca-certificates"],
  // Without the last two the root can't grow on first boot, and cloud-init ends in error.
  ...["cloud-init", "cloud-guest-utils", "e2fsprogs"],
];

/**
 * The packages of a bootstrapped base, sorted.
 * @param extra The user's packages. A kernel among them (`linux-image-...`) replaces ours.
 */
export function packagesFor({ name, version }: Distribution, extra: readonly string[] = []): string[] {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  // Debian's cloud kernel has no drivers for desktop hardware: its ramdisk is smaller and faster to make.
  const kernel = name === "ubuntu" ? "linux-image-virtual" : `linux-image-cloud-${architecture}`;
  const ownKernel = extra.some((name) => /^linux-(image|generic|virtual)/.test(name));
  // In 22.04 it is still part of the package systemd.
  const resolved = name === "ubuntu" && version === "22.04" ? [] : ["systemd-resolved"];
  return [...new Set([...common, ...resolved, ...(ownKernel ? [] : [kernel]), ...extra])].sort();
}

/** Runs in the new root, with `LOGIN_USER` set: what packages don't do by themselves. */
export const FINISH = `
umask 022
# Every machine is to make these for itself; an empty machine-id is made anew without the first-boot presets of systemd.
rm -f /etc/ssh/ssh_host_* /etc/hostname /var/lib/dbus/machine-id
: > /etc/machine-id
ln -sf /etc/machine-id /var/lib/dbus/machine-id
ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost ip6-loopback\\n' > /etc/hosts

# cloud-init writes more exact settings where its cloud has any; these come last.
cat > /etc/systemd/network/90-dhcp.network <<'END'
[Match]
Name=en* eth*

[Network]
DHCP=yes
END
systemctl enable systemd-networkd.service systemd-resolved.service ssh.service

# The clouds this project makes images for: looking for others takes time at every boot.
mkdir -p /etc/cloud/cloud.cfg.d
# The locale is the image's: cloud-init's own choice is one that is not generated here, and would end in an error.
printf 'datasource_list: [NoCloud, ConfigDrive, OpenStack, Ec2, GCE, None]\\nlocale: false\\n' > /etc/cloud/cloud.cfg.d/90-ci-images.cfg
echo 'LANG=C.UTF-8' > /etc/default/locale
# Checks file systems on LVM snapshots, which no image has; it costs seconds at every boot.
if [ -e /usr/lib/systemd/system/e2scrub_reap.service ]; then systemctl disable e2scrub_reap.service; fi

# The account that cloud-init gives the login key to; it has no password.
id "$LOGIN_USER" || useradd --create-home --shell /bin/bash --groups adm,sudo "$LOGIN_USER"

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/log/apt /var/log/*.log
rm -rf /tmp/* /var/tmp/*
`;
