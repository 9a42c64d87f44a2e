// Kernel modules, kernel parameters, a container runtime and no swap, as on a cluster node.
import type { Root } from "../../../provision/module.ts";

export const description = "Prepares a Kubernetes node";

export function modify(_name: string, root: Root): void {
  root.packages(
    ["containerd", "cri-tools", "conntrack", "ebtables", "ethtool", "ipvsadm", "nfs-common", "socat", "auditd"].filter(
      (each) => each !== "cri-tools",
    ),
  );
  root.file("/etc/modules-load.d/kubernetes.conf", "overlay\nbr_netfilter\n");
  root.file(
    "/etc/sysctl.d/99-kubernetes.conf",
    "net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\nnet.ipv4.tcp_congestion_control = bbr\nvm.overcommit_memory = 1\nkernel.panic = 10\nfs.inotify.max_user_watches = 524288\n",
  );
  root.file("/etc/audit/rules.d/field.rules", "-D\n-b 8192\n-w /var/lib/containerd/ -p wa\n-e 2\n");
  root.run(`
    mkdir -p /etc/containerd
    containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' >/etc/containerd/config.toml
    systemctl restart containerd
    sed -ri '/\\sswap\\s/s/^#?/#/' /etc/fstab
    swapoff -a
    systemctl stop apt-daily.timer apt-daily-upgrade.timer
    systemctl mask apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
    mkdir -p /etc/kubernetes /var/lib/kubelet`);
  root.enable("auditd.service", { start: false });
  root.check("containerd runs", "ctr version >/dev/null");
  root.check(
    "kernel modules are loaded and parameters are set",
    'systemd-detect-virt --quiet --container || { lsmod | grep -q br_netfilter && [ "$(sysctl -n net.bridge.bridge-nf-call-iptables net.ipv4.ip_forward | sort -u)" = 1 ] && [ "$(sysctl -n net.ipv4.tcp_congestion_control)" = bbr ]; }',
  );
}
