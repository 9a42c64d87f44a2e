// Residue for tests: for each checklist line, something that it must find, and the expected finding.

/** A way to dirty a root file system. */
export interface Residue {
  /** The line of the checklist. */
  id: string;
  /** Text that the assertion's output must contain. */
  finds: string;
  /** Bash that plants it below `$ROOT`. */
  plant: string;
  /** True if sealing only removes it if it was there before the first module. */
  isBases?: true;
  /** True if sealing can't repair it, because something required is missing. */
  beyondRepair?: true;
}

/** Residue that is a file. */
function file(id: string, path: string, content = "residue"): Residue {
  return { id, finds: path, plant: `install -D -m 0600 /dev/stdin "$ROOT${path}" <<'EOF'\n${content}\nEOF` };
}

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFforgottenforgottenforgottenforgotten0 somebody";

export const residues: readonly Residue[] = [
  file("build-services", "/etc/systemd/system/ci-images-builder-deadline.timer"),
  { ...file("build-door", "/etc/ci-images-builder/leftover"), finds: "/etc/ci-images-builder" },
  file("build-firewall", "/etc/nftables.d/ci-images-builder.nft"),
  file("build-firewall", "/etc/nftables.conf", 'tcp dport 61022 accept comment "ci-images-builder"'),
  file("build-firewall", "/etc/firewalld/zones/public.xml", '<port port="61022" protocol="tcp"/>'),
  {
    id: "held-packages",
    finds: "bash",
    plant: `sed -i '/^Package: bash$/,/^Status:/s/^Status: install/Status: hold/' "$ROOT/var/lib/dpkg/status"`,
    isBases: true,
  },
  { id: "password-hashes", finds: "games", plant: `sed -i 's|^games:[^:]*:|games:$6$salt$hash:|' "$ROOT/etc/shadow"` },
  { id: "password-hashes", finds: "news", plant: `sed -i 's|^news:[^:]*:|news::|' "$ROOT/etc/shadow"` },
  file("account-backups", "/etc/shadow-"),
  file("account-backups", "/var/backups/passwd.bak"),
  file("sshd-loosened", "/etc/ssh/sshd_config.d/60-lab.conf", "permitrootlogin  yes\nPermitEmptyPasswords yes"),
  file("registrations", "/etc/krb5.keytab"),
  file("registrations", "/etc/pki/consumer/cert.pem"),
  file("agent-identities", "/var/lib/amazon/ssm/registration"),
  file("agent-identities", "/etc/docker/key.json"),
  file("gce-state", "/etc/boto.cfg"),
  { ...file("gce-state", "/var/lib/google-guest-agent/agent_state/state"), finds: "/var/lib/google-guest-agent" },
  {
    id: "service-keys",
    finds: "/etc/munge/munge.key",
    plant: `install -D -m 0755 /dev/null "$ROOT/usr/sbin/mungekey"; install -D -m 0400 /dev/stdin "$ROOT/etc/munge/munge.key" <<<secret`,
  },
  file("storage-ids", "/etc/lvm/devices/system.devices"),
  file("network-identity", "/etc/udev/rules.d/70-persistent-net.rules"),
  file("network-identity", "/etc/netplan/50-cloud-init.yaml"),
  file("network-identity", "/etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nHWADDR=52:54:00:12:34:56"),
  file("dhcp-leases", "/var/lib/dhcp/dhclient.eth0.leases"),
  file("dhcp-leases", "/var/lib/NetworkManager/internal-1.lease"),
  file("random-seed", "/var/lib/systemd/random-seed"),
  file("credential-secret", "/var/lib/systemd/credential.secret"),
  {
    id: "machine-id",
    finds: "/etc/machine-id",
    plant: `rm -f "$ROOT/etc/machine-id"; echo 0123456789abcdef0123456789abcdef >"$ROOT/etc/machine-id"`,
  },
  {
    id: "machine-id",
    finds: "/var/lib/dbus/machine-id",
    plant: `mkdir -p "$ROOT/var/lib/dbus"; rm -f "$ROOT/var/lib/dbus/machine-id"; echo 0123 >"$ROOT/var/lib/dbus/machine-id"`,
  },
  file("host-names", "/etc/hostname", "builder-7"),
  {
    id: "host-names",
    finds: "127.0.1.1 builder-7",
    plant: `echo "127.0.1.1 builder-7" >>"$ROOT/etc/hosts"`,
    isBases: true,
  },
  {
    id: "resolv-conf",
    finds: "/etc/resolv.conf",
    plant: `rm -f "$ROOT/etc/resolv.conf"; echo "nameserver 192.0.2.1" >"$ROOT/etc/resolv.conf"`,
    isBases: true,
  },
  file("user-keys", "/root/.ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----"),
  { ...file("user-keys", "/var/lib/service/.ssh/known_hosts", "git.example.com ssh-ed25519 AAAA"), isBases: true },
  // A home outside /home, and a key with an unusual name.
  file("user-keys", "/var/lib/service/.ssh/deploy", "-----BEGIN OPENSSH PRIVATE KEY-----"),
  file("cloud-credentials", "/root/.aws/credentials", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG"),
  file("cloud-credentials", "/var/lib/service/.npmrc", "//registry.example.com/:_authToken=abc"),
  file("cloud-credentials", "/usr/local/etc/npmrc", "//registry.example.com/:_authToken=abc"),
  {
    ...file("cloud-credentials", "/etc/yum.repos.d/own.repo", "[own]\npassword = hunter2"),
    finds: "/etc/yum.repos.d/own.repo: a password",
    beyondRepair: true,
  },
  file("environment-secrets", "/etc/environment", "LANG=C\nDEPLOY_TOKEN=abc"),
  file(
    "environment-secrets",
    "/etc/apt/apt.conf.d/99proxy",
    'Acquire::http::Proxy "http://me:secret@proxy.example.com:3128";',
  ),
  file("tls-keys", "/etc/ssl/private/worker.key"),
  file("secret-values", "/opt/tool/settings.ini", "password = a-secret-of-the-bake"),
  file(
    "secret-values",
    "/opt/tool/auth.json",
    `{"auth":"${Buffer.from("me:a-secret-of-the-bake").toString("base64")}"}`,
  ),
  {
    id: "secret-values",
    finds: "/opt/tool/old.log.gz",
    plant: `install -d "$ROOT/opt/tool"; { seq 1000; echo a-secret-of-the-bake; seq 1000; } | gzip >"$ROOT/opt/tool/old.log.gz"`,
  },
  file("crash-data", "/var/lib/systemd/coredump/core.zst"),
  { ...file("spools", "/var/spool/cron/crontabs/root"), isBases: true },
  file("spools", "/var/mail/root"),
  file("editor-backups", "/etc/hosts~"),
  { ...file("swap", "/swapfile"), isBases: true },
  file("package-caches", "/var/cache/apt/archives/git_1_all.deb"),
  file("package-caches", "/var/lib/apt/lists/example_Packages"),
  file("histories", "/root/.bash_history"),
  file("histories", "/var/lib/service/.python_history"),
  { ...file("cloud-init", "/var/lib/cloud/instances/i-1/user-data.txt"), finds: "/var/lib/cloud/instances" },
  { ...file("cloud-init", "/etc/cloud/cloud-init.disabled"), isBases: true },
  { ...file("recipe-files", "/var/lib/ci-images/builder"), finds: "/var/lib/ci-images" },
  file("temporary-files", "/tmp/.hidden"),
  file("temporary-files", "/var/tmp/left"),
  file("build-sudoers", "/etc/sudoers.d/90-cloud-init-users", "# nothing"),
  file("login-records", "/var/lib/wtmpdb/wtmp.db"),
  file("logs", "/var/log/nginx/access.log.1"),
  file("logs", "/var/log/wtmp"),
  file("logs", "/var/spool/rsyslog/queue.00000001"),
  file("logs", "/var/lib/rsyslog/imjournal.state"),
  file("authorized-keys", "/var/lib/service/.ssh/authorized_keys", key),
  file("authorized-keys", "/root/.ssh/authorized_keys2", `command="id" ${key}`),
  file("ssh-host-keys", "/etc/ssh/ssh_host_rsa_key"),
  {
    id: "image-id",
    finds: "no IMAGE_ID",
    plant: `sed -i '/^IMAGE_ID=/d' "$ROOT/usr/lib/os-release"`,
    beyondRepair: true,
  },
  { id: "manifest", finds: "/etc/ci-images.json", plant: `rm -f "$ROOT/etc/ci-images.json"`, beyondRepair: true },
  { id: "cloud-agent", finds: "cloud-init", plant: `rm -f "$ROOT/usr/bin/cloud-init"`, beyondRepair: true },
  {
    id: "host-key-generation",
    finds: "SSH host keys",
    plant: `rm -f "$ROOT/etc/systemd/system/ci-images-host-keys.service"`,
    beyondRepair: true,
  },
  { id: "grow-root", finds: "growpart", plant: `rm -f "$ROOT/usr/bin/growpart"`, beyondRepair: true },
];

/** Renders a script that plants residues, and the account that some of them need. */
export function plantScript(planted: readonly Residue[]): string {
  const account = `grep -q '^service:' "$ROOT/etc/passwd" || echo 'service:x:4711:4711::/var/lib/service:/bin/bash' >>"$ROOT/etc/passwd"`;
  return [`ROOT=\${ROOT:-}`, account, ...planted.map(({ plant }) => plant)].join("\n");
}
