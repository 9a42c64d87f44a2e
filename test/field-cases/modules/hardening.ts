// Follows Ansible roles for the CIS benchmark, except where they would prevent logins.
import type { Root } from "../../../provision/module.ts";
import { onBuilder } from "./_support.ts";

export const description = "Hardens the system";

export function modify(_name: string, root: Root): void {
  root.packages([
    "auditd",
    "apparmor",
    "apparmor-utils",
    "apparmor-profiles",
    "libpam-tmpdir",
    "cron",
    "fail2ban",
    // Debian 12 has no log file for fail2ban's sshd jail, so that fail2ban must read the journal.
    "python3-systemd",
    "aide",
    "rkhunter",
    "sudo",
  ]);
  root.file("/etc/fail2ban/jail.d/field.conf", "[sshd]\nbackend = systemd\n");
  root.run(`
    cp /usr/share/systemd/tmp.mount /etc/systemd/system/tmp.mount
    sed -i 's/^Options=.*/Options=mode=1777,strictatime,nosuid,nodev,noexec,size=50%/' /etc/systemd/system/tmp.mount
    systemctl daemon-reload
    systemctl enable --now tmp.mount
    mount -o remount,noexec,nosuid,nodev /dev/shm
    grep -q '^tmpfs /dev/shm' /etc/fstab || echo 'tmpfs /dev/shm tmpfs defaults,noexec,nosuid,nodev 0 0' >>/etc/fstab
    grep -q hidepid /etc/fstab || echo 'proc /proc proc defaults,hidepid=2 0 0' >>/etc/fstab
    sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs
    echo 'readonly TMOUT=900; export TMOUT' >/etc/profile.d/tmout.sh
    echo 'umask 077' >/etc/profile.d/umask.sh
    grep -q 'umask 077' /etc/bash.bashrc || echo 'umask 077' >>/etc/bash.bashrc
    echo 'Defaults use_pty, logfile="/var/log/sudo.log", timestamp_timeout=0, !visiblepw' >/etc/sudoers.d/cis; chmod 440 /etc/sudoers.d/cis
    grep -q pam_umask /etc/pam.d/common-session && sed -i 's/pam_umask.so.*/pam_umask.so umask=0077/' /etc/pam.d/common-session || echo 'session optional pam_umask.so umask=0077' >>/etc/pam.d/common-session
    rm -f /etc/cron.deny /etc/at.deny; touch /etc/cron.allow; chmod 600 /etc/cron.allow
    chmod 700 /root /etc/cron.d /etc/cron.daily /etc/cron.hourly /etc/cron.weekly /etc/cron.monthly; chmod 600 /etc/crontab /boot/config-* || true
    useradd -D -f 30
    chage --maxdays 365 --mindays 1 root
    passwd -l root
    echo '* hard core 0' >/etc/security/limits.d/cis.conf
    printf 'install cramfs /bin/false\\ninstall udf /bin/false\\nblacklist usb-storage\\n' >/etc/modprobe.d/cis.conf
    printf 'kernel.randomize_va_space = 2\\nfs.suid_dumpable = 0\\nkernel.yama.ptrace_scope = 2\\nkernel.kptr_restrict = 2\\nkernel.dmesg_restrict = 1\\nkernel.unprivileged_userns_clone = 0\\nkernel.unprivileged_bpf_disabled = 1\\nfs.protected_fifos = 2\\nfs.protected_regular = 2\\nnet.ipv4.conf.all.rp_filter = 1\\nnet.ipv6.conf.all.disable_ipv6 = 1\\n' >/etc/sysctl.d/60-cis.conf
    printf '[Journal]\\nStorage=persistent\\nCompress=yes\\nForwardToSyslog=no\\n' >/etc/systemd/journald.conf.d/cis.conf 2>/dev/null || { mkdir -p /etc/systemd/journald.conf.d; printf '[Journal]\\nStorage=persistent\\n' >/etc/systemd/journald.conf.d/cis.conf; }
    echo 'Authorized uses only.' | tee /etc/issue /etc/issue.net /etc/motd
    printf 'Banner /etc/issue.net\\nMaxAuthTries 4\\nLoginGraceTime 60\\nMaxStartups 10:30:60\\nMaxSessions 10\\nClientAliveInterval 15\\nClientAliveCountMax 3\\nX11Forwarding no\\nAllowTcpForwarding no\\nLogLevel VERBOSE\\nCiphers aes256-gcm@openssh.com,aes128-gcm@openssh.com\\nMACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com\\nKexAlgorithms curve25519-sha256,ecdh-sha2-nistp256\\n' >/etc/ssh/sshd_config.d/cis.conf
    systemctl restart ssh
    for dir in / /usr /usr/bin; do chmod o-w "$dir"; done`);
  // On a builder of local, the container already has a /tmp mount, so that tmp.mount does nothing.
  root.check(
    "/tmp and /dev/shm are mounted with noexec",
    `${onBuilder} || { findmnt -no OPTIONS /tmp | grep -q noexec && findmnt -no OPTIONS /dev/shm | grep -q noexec; }`,
    { timeoutSeconds: 60 },
  );
  root.check(
    "/proc hides other users' processes",
    `${onBuilder} || findmnt -no OPTIONS /proc | grep -Eq 'hidepid=(2|invisible)'`,
  );
  root.check(
    "kernel parameters are set on the image",
    `${onBuilder} || [ "$(sysctl -n kernel.unprivileged_userns_clone kernel.yama.ptrace_scope | tr '\\n' ' ')" = "0 2 " ]`,
  );
}
