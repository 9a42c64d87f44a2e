// What a sealed image must not contain, and what it must: the whole list, each line with its reason and where the fact comes
// from. The same line removes and, afterwards, asserts; provision/seal/prelude.ts has the shell functions used here.

/** What a line of the checklist is about. */
export type ChecklistGroup = "identity" | "access" | "secrets" | "traces" | "state" | "must contain";

/** One line of the checklist. */
export interface ChecklistEntry {
  /** Its name in messages: `ssh-host-keys`. */
  id: string;
  group: ChecklistGroup;
  /** Why it is on the list, in one line. */
  reason: string;
  /** Where the fact comes from. */
  source: string;
  /** Shell patterns of what has to go; `~/` stands for the home of every account, wherever it lives. What the recipe keeps stays. */
  paths?: readonly string[];
  /** More to do on the builder, after the paths are gone (bash, as root). */
  remove?: string;
  /** More to look for: prints one line for each thing found, nothing when all is well. Reads only; every path starts with `$ROOT`. */
  assert?: string;
  /** Removed at the very end: what the sealing session itself still needs or writes. */
  late?: true;
}

const sysprep = "virt-sysprep's operations";
const images = "systemd, Safely Building Images";
const aws = "AWS, recommendations for shared Linux AMIs";
const cloudInit = "cloud-init clean (cloudinit/cmd/clean.py)";
const eks = "amazon-eks-ami, cleanup.sh";
const kubernetes = "kubernetes-sigs image-builder, role sysprep";

/** The checklist. Its order is the order of removal, but for lines that are `late`. */
export const checklist: readonly ChecklistEntry[] = [
  {
    id: "build-services",
    group: "state",
    reason: "services and timers that only the builder needs would run on every worker",
    source: "design: the builder's own units are called ci-images-builder*",
    paths: [
      "/etc/systemd/system/ci-images-builder*",
      "/etc/systemd/system/*.wants/ci-images-builder*",
      "/etc/systemd/system/*.d/ci-images-builder*",
      "/etc/systemd/*.conf.d/*ci-images-builder*",
      "/usr/local/sbin/ci-images-builder*",
    ],
  },
  {
    id: "build-firewall",
    group: "state",
    reason: "firewall rules that only the bake needed stay open",
    source: "design: the builder's own rules are called ci-images-builder*",
    paths: [
      "/etc/nftables.d/ci-images-builder*",
      "/etc/firewalld/*/ci-images-builder*",
      "/etc/iptables/*ci-images-builder*",
    ],
  },
  {
    id: "held-packages",
    group: "state",
    reason:
      "a package held for the bake never gets its security updates; keep one with a line hold:NAME in the kept paths",
    source: "reference D8",
    remove: `held_packages | while read -r name; do apt-mark -q unhold "$name"; done`,
    assert: `held_packages`,
  },
  {
    id: "password-hashes",
    group: "access",
    reason: "a password in an image opens every machine that boots from it; root stays locked",
    source: aws,
    remove: `open_accounts | while read -r name; do usermod --password '!*' "$name"; done`,
    assert: `open_accounts`,
  },
  {
    id: "account-backups",
    group: "access",
    reason: "backups of the account files hold password hashes that were changed since",
    source: `${sysprep} (passwd-backups)`,
    paths: ["/etc/{passwd,shadow,group,gshadow,subuid,subgid}{-,.bak,.old,.orig,+}", "/var/backups/*"],
  },
  {
    id: "sshd-loosened",
    group: "access",
    reason: "sshd settings loosened for the bake let people in by password",
    source: aws,
    paths: ["/etc/ssh/sshd_config.d/*ci-images-builder*", "/etc/ssh/sshd_config.d/50-cloud-init.conf"],
    remove: `sshd_files | while read -r file; do sed -i -E 's/^(\\s*PermitRootLogin\\s+)yes\\b/\\1prohibit-password/I; s/^(\\s*PermitEmptyPasswords\\s+)yes\\b/\\1no/I' "$file"; done`,
    assert: `sshd_files | while read -r file; do if grep -qiE '^\\s*(PermitRootLogin|PermitEmptyPasswords)\\s+yes\\b' "$ROOT$file"; then echo "$file: root or empty passwords may log in"; fi; done`,
  },
  {
    id: "registrations",
    group: "identity",
    reason: "subscription, domain and directory identities belong to one machine",
    source: `${sysprep} (rh-subscription-manager, rhn-systemid, yum-uuid, ipa-client, kerberos-hostkeytab, samba-db-log, sssd-db-log, smolt-uuid)`,
    paths: [
      "/etc/pki/{consumer,entitlement}/*",
      "/var/lib/rhsm/{facts,cache}/*",
      "/etc/sysconfig/rhn/{systemid,osad-auth.conf}",
      "/var/lib/{yum/uuid,dnf/*uuid*}",
      "/etc/{smolt/smolt-config,sysconfig/hw-uuid}",
      "/var/lib/ubuntu-advantage/{private,machine-token.json}",
      "/etc/{krb5.keytab,ipa/ca.crt,ipa/default.conf}",
      "/var/lib/ipa-client/{pki,sysrestore}/*",
      "/var/lib/samba/{*,*/*}.[tl]db",
      "/var/lib/sss/{db,mc,pipes}/*",
    ],
  },
  {
    id: "agent-identities",
    group: "identity",
    reason: "agents that registered on the builder make all workers look like one machine",
    source: "reference D8; CIS practice",
    paths: [
      "/var/lib/amazon/ssm/*",
      "/etc/docker/key.json",
      "/var/lib/docker/{swarm,engine-id}",
      "/etc/gitlab-runner/config.toml",
      "/etc/buildkite-agent/token",
      "~/actions-runner/{.credentials*,.runner}",
      "/etc/salt/{minion_id,pki/minion/*}",
      "/etc/{puppet/ssl,puppetlabs/puppet/ssl,chef/client.pem}",
      "/var/lib/{puppet/ssl,tailscale,zabbix-agent}/*",
    ],
  },
  {
    id: "gce-state",
    group: "identity",
    reason: "GCE's guest agent notes the instance it runs on and takes a copy for the same one",
    source: "GoogleCloudPlatform/guest-agent (google_guest_agent/instance_setup.go, cfg/cfg.go)",
    paths: ["/etc/boto.cfg", "/etc/google_instance_id", "/var/lib/google/*"],
    // Only what older agents noted there: the rest of that file, and the distribution's beside it, is configuration.
    remove: `if [ -f "$ROOT/etc/default/instance_configs.cfg" ]; then sed -i -E '/^\\s*instance_id\\s*=/Id' "$ROOT/etc/default/instance_configs.cfg"; fi`,
    assert: `if grep -sqiE '^\\s*instance_id\\s*=\\s*\\S' "$ROOT/etc/default/instance_configs.cfg"; then echo "/etc/default/instance_configs.cfg: notes the builder's instance"; fi`,
  },
  {
    id: "storage-ids",
    group: "identity",
    reason: "device ids and caches of the builder's disks do not fit the worker's",
    source: `${sysprep} (lvm-system-devices, blkid-tab)`,
    paths: [
      "/etc/lvm/{devices/system.devices*,devices/backup/*,backup/*,archive/*}",
      "/etc/{blkid.tab,blkid/*}",
      "/var/cache/blkid*",
    ],
  },
  {
    id: "network-identity",
    group: "identity",
    reason: "network settings bound to the builder's card keep the worker's card down",
    source: `${sysprep} (net-hwaddr, net-nmconn, udev-persistent-net); ${cloudInit}`,
    paths: [
      "/etc/udev/rules.d/70-persistent-{net,cd}.rules",
      "/etc/udev/rules.d/75-persistent-net-generator.rules",
      "/etc/NetworkManager/system-connections/*",
      "/etc/netplan/50-cloud-init.yaml",
      "/etc/network/interfaces.d/50-cloud-init*",
      "/etc/systemd/network/*{cloud-init,ci-images-builder}*",
    ],
    remove: `for file in /etc/sysconfig/network-scripts/ifcfg-*; do sed -i '/^\\(HWADDR\\|MACADDR\\|UUID\\)=/d' "$file"; done`,
    assert: `for file in "$ROOT"/etc/sysconfig/network-scripts/ifcfg-*; do if grep -qE '^(HWADDR|MACADDR|UUID)=' "$file"; then echo "\${file#"$ROOT"}: bound to a card"; fi; done`,
  },
  {
    id: "dhcp-leases",
    group: "identity",
    reason: "leases and client ids make two workers ask for the same address",
    source: `${sysprep} (dhcp-client-state, dhcp-server-state)`,
    paths: [
      "/var/lib/{dhcp,dhclient,dhcpd,dhcpcd,dhcpcd5}/*",
      "/etc/dhcpcd.{duid,secret}",
      "/var/lib/NetworkManager/{*.lease,*.leases,secret_key,seen-bssids,timestamps,NetworkManager.state}",
      "/var/lib/systemd/network/*",
    ],
  },
  {
    id: "random-seed",
    group: "identity",
    reason: "workers that start from the same seed may make the same keys",
    source: images,
    paths: [
      "/var/lib/systemd/random-seed",
      "/var/lib/{random-seed,urandom/random-seed}",
      "/{boot,efi,boot/efi}/loader/random-seed",
    ],
  },
  {
    id: "credential-secret",
    group: "identity",
    reason: "the key that systemd encrypts a machine's credentials with",
    source: images,
    paths: ["/var/lib/systemd/credential.secret"],
  },
  {
    id: "machine-id",
    group: "identity",
    // Empty, and not "uninitialized": both give the worker an id of its own, but the latter also counts as first boot
    // (ConditionFirstBoot), which enables by preset what modules have disabled and may ask questions on the console.
    reason: "an id shared by machines confuses DHCP, the journal and D-Bus; empty means: make a new one at boot",
    source: `machine-id(5), section First Boot Semantics; ${images}`,
    remove: `: >/etc/machine-id; chmod 0444 /etc/machine-id; if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then ln -s -f /etc/machine-id /var/lib/dbus/machine-id; fi`,
    assert: `if [ ! -f "$ROOT/etc/machine-id" ]; then echo "/etc/machine-id: missing"; elif [ -s "$ROOT/etc/machine-id" ]; then echo /etc/machine-id; fi
if [ -f "$ROOT/var/lib/dbus/machine-id" ] && [ ! -L "$ROOT/var/lib/dbus/machine-id" ]; then echo /var/lib/dbus/machine-id; fi`,
  },
  {
    id: "host-names",
    group: "identity",
    reason: "the builder's name; the worker gets its own from the cloud",
    source: `${images}; ${sysprep} (net-hostname)`,
    paths: ["/etc/{hostname,HOSTNAME,machine-info}"],
    remove: `if builder_hosts | grep . >/dev/null; then builder_hosts >/run/ci-images-hosts; grep --invert-match --line-regexp --fixed-strings --file=/run/ci-images-hosts /etc/hosts >/run/ci-images-hosts.new || [ $? -eq 1 ]; cat /run/ci-images-hosts.new >/etc/hosts; rm /run/ci-images-hosts*; fi
if ! grep -qsw localhost /etc/hosts; then printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost ip6-loopback\\n' >>/etc/hosts; fi`,
    assert: `builder_hosts | sed 's,^,/etc/hosts: ,'`,
  },
  {
    id: "resolv-conf",
    group: "identity",
    reason: "name servers of the build network do not answer elsewhere",
    source: eks,
    remove: `if [ ! -L /etc/resolv.conf ]; then rm -f /etc/resolv.conf; fi
if [ ! -e /etc/resolv.conf ] && [ ! -L /etc/resolv.conf ] && systemctl --quiet is-enabled systemd-resolved.service 2>/dev/null; then ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf; fi`,
    assert: `if [ ! -L "$ROOT/etc/resolv.conf" ] && [ -s "$ROOT/etc/resolv.conf" ]; then echo /etc/resolv.conf; fi`,
  },
  {
    id: "user-keys",
    group: "access",
    reason: "private keys of users and what they trusted during the bake",
    source: `${sysprep} (ssh-userdir); ${aws}`,
    paths: [
      "~/.ssh/{id_*,identity*,known_hosts*,agent*,environment}",
      "~/.gnupg/{private-keys-v1.d,secring.gpg,S.*,random_seed}",
    ],
    assert: `for home in "\${home_list[@]}"; do private_keys_in "$home/.ssh"; done`,
    remove: `for home in "\${home_list[@]}"; do private_keys_in "$home/.ssh" | while read -r path; do rm -f -- "$path"; done; done`,
  },
  {
    id: "cloud-credentials",
    group: "secrets",
    reason: "credentials and tokens of clouds, registries and package hosts",
    source: `${aws}; AWS Marketplace AMI policy`,
    paths: [
      "~/{.aws,.azure,.boto,.s3cfg,.netrc,.pypirc,.vault-token,.pgpass,.my.cnf,.git-credentials}",
      "~/.config/{gcloud,gh,openstack,rclone,git/credentials,containers/auth.json}",
      "~/.docker/config.json",
      "~/.kube",
      "~/.m2/{settings,settings-security}.xml",
      "~/.gradle/gradle.properties",
      "~/.gem/credentials",
      "~/.cargo/credentials*",
      "~/.terraform.d/credentials*",
      "~/.composer/auth.json",
      "~/.subversion/auth",
    ],
    remove: `drop_files_with_credentials`,
    assert: `files_with_credentials`,
  },
  {
    id: "environment-secrets",
    group: "secrets",
    reason: "environment files with tokens, and proxy settings with a password in them",
    source: "reference D8",
    remove: `environment_secrets | cut -d: -f1 | sort -u | while read -r file; do sed -i -E "\\,$secret_line,d" "$file"; done`,
    assert: `environment_secrets | cut -d: -f1 | sort -u | sed 's/$/: a line with a secret/'`,
  },
  {
    id: "tls-keys",
    group: "secrets",
    reason: "TLS keys made during the bake would be shared by all workers; keep one by the module files",
    source: "AWS Marketplace AMI policy",
    paths: ["/etc/ssl/private/*", "/etc/pki/tls/private/*", "/etc/letsencrypt/{live,archive,accounts,keys}"],
  },
  {
    id: "secret-values",
    group: "secrets",
    reason: "a secret that the bake was given lies in a file",
    source: "design: secrets are never part of an image",
    assert: `secret_values`,
  },
  {
    id: "crash-data",
    group: "traces",
    reason: "dumps hold the memory of processes, with what was secret there",
    source: `${sysprep} (abrt-data, crash-data)`,
    paths: [
      "/var/crash/*",
      "/var/lib/systemd/{coredump,pstore}/*",
      "/var/spool/abrt/*",
      "/{core,core.+([0-9])}",
      "~/{core,core.+([0-9])}",
    ],
  },
  {
    id: "spools",
    group: "traces",
    reason: "mail and jobs of the bake; cron jobs that are meant belong into /etc/cron.d",
    source: `${sysprep} (mail-spool, cron-spool)`,
    paths: [
      "/var/{spool/,}mail/*",
      "/var/spool/{postfix/{maildrop,incoming,active,deferred,bounce,defer},exim4/{input,msglog}}/*",
      "/var/spool/cron/{crontabs,atjobs,atspool,tabs}/!(.SEQ)",
      "/var/spool/{at,anacron}/!(.SEQ|spool)",
      "/var/spool/cron/!(crontabs|atjobs|atspool|tabs|lastrun)",
    ],
  },
  {
    id: "editor-backups",
    group: "traces",
    reason: "backups that editors and packages leave hold old settings and secrets",
    source: `${sysprep} (backup-files)`,
    paths: ["/etc/{,*/,*/*/}{*~,.*.sw[a-p],#*#,*.dpkg-old,*.dpkg-dist,*.ucf-old,*.rpmsave}", "~/{*~,.*.sw[a-p],#*#}"],
  },
  {
    id: "swap",
    group: "traces",
    reason: "swap files and hibernation images hold the builder's memory",
    source: kubernetes,
    paths: ["/{swapfile,swap.img,hiberfil.sys}", "/var/{swapfile,swap,swap.img}", "/var/lib/swap*"],
  },
  {
    id: "package-caches",
    group: "traces",
    reason: "packages, lists and histories of the package manager only cost space, and old lists hide updates",
    source: `${sysprep} (package-manager-cache, rpm-db); ${eks}`,
    paths: [
      "/var/cache/apt/{archives/*.deb,archives/partial/*,*.bin}",
      "/var/lib/apt/lists/!(lock|partial|auxfiles)",
      "/var/lib/apt/lists/{partial,auxfiles}/*",
      "/var/{cache/apt/archives,lib/apt/lists,lib/dpkg}/lock",
      "/var/cache/debconf/*-old",
      "/var/lib/dpkg/*-old",
      "/var/cache/{dnf,yum,libdnf5,zypp,PackageKit}/*",
      "/var/lib/{dnf,yum}/{history*,repos/*}",
      "/var/lib/rpm/__db.*",
      "/usr/lib/sysimage/rpm/__db.*",
    ],
  },
  {
    id: "histories",
    group: "traces",
    reason: "what people typed, passwords on command lines among it",
    source: `${sysprep} (bash-history, zsh-history); ${aws}`,
    paths: [
      "~/.{bash,zsh,sh,ash,ksh,fish,python,node_repl,mysql,psql,sqlite,rediscli,irb,scala,php}_history",
      "~/.{history,histfile,lesshst,viminfo,wget-hsts,rnd,Xauthority}",
      "~/.local/{share/fish/fish_history,state/{python_history,less/history,bash/history}}",
      "~/.cache/motd.legal-displayed",
      "/root/.cache",
    ],
  },
  {
    id: "cloud-init",
    group: "state",
    reason:
      "cloud-init that is done does nothing on the worker, and its data hold the user data: the host key injected into the builder, too",
    source: cloudInit,
    paths: ["/var/lib/cloud/*", "/etc/cloud/cloud-init.disabled", "/etc/cloud/{,cloud.cfg.d/}*ci-images-builder*"],
  },
  {
    id: "recipe-files",
    group: "secrets",
    reason: "the recipe's temporary files, uploaded modules and test reports",
    source: "design: all of them are called ci-images*",
    paths: [
      "/var/lib/ci-images",
      "/{root,opt,srv}/ci-images*",
      "~/.ci-images*",
      "/var/tmp/ci-images*",
      "/tmp/ci-images*",
    ],
    late: true,
  },
  {
    id: "temporary-files",
    group: "traces",
    reason: "whatever lies in the temporary folders is from the bake",
    source: `${sysprep} (tmp-files)`,
    paths: ["/tmp/*", "/var/tmp/*"],
    late: true,
  },
  {
    id: "build-sudoers",
    group: "access",
    reason: "rights that only the bake needed; cloud-init writes the login user's again",
    source: "reference D8",
    paths: ["/etc/sudoers.d/{90-ci-images-builder*,90-cloud-init-users}"],
    late: true,
  },
  {
    id: "login-records",
    group: "traces",
    reason: "who logged in to the builder from where, and process accounting",
    source: `${sysprep} (utmp, pacct-log, pam-data)`,
    paths: [
      "/var/lib/{wtmpdb,lastlog}/*",
      "/var/account/*",
      "/var/lib/sudo/{ts,lectured}/*",
      "/var/db/sudo/{ts,lectured}/*",
      "/var/lib/systemd/linger/*",
      "/var/{lib/logrotate/status,lib/logrotate/logrotate.status}",
      "/var/lib/pam_*/*",
    ],
    late: true,
  },
  {
    id: "logs",
    group: "traces",
    reason: "logs of the bake, cloud-init's among them, say where it ran and what it was given",
    source: `${sysprep} (logfiles)`,
    // The folders stay: services would not start without theirs.
    paths: ["/root/{anaconda,original}-ks.cfg", "/root/install.log*", "/var/log/journal/*"],
    remove: `log_files | while read -r path; do rm -f -- "$path"; done`,
    assert: `log_files`,
    late: true,
  },
  {
    id: "authorized-keys",
    group: "access",
    reason:
      "keys that may log in, of every account wherever it lives; only those that modules put there on purpose stay",
    source: aws,
    remove: `remove_authorized_keys`,
    assert: `authorized_files | while read -r file; do unwanted=$(authorized_lines unwanted "$file" | wc -l); if [ "$unwanted" -gt 0 ]; then echo "$file: $unwanted key(s) that no module put there"; fi; done`,
    late: true,
  },
  {
    id: "ssh-host-keys",
    group: "identity",
    reason: "who has the image could pass for any worker; the key that the bake was pinned to is one of them",
    source: `${sysprep} (ssh-hostkeys); ${aws}`,
    paths: ["/etc/ssh/ssh_host_*", "/etc/dropbear/dropbear_*_host_key"],
    late: true,
  },
  {
    id: "free-space",
    group: "state",
    reason: "deleted files, secrets among them, can be read from blocks that were not trimmed",
    source: "reference D8",
    remove: `free_space`,
    late: true,
    // What free blocks hold can't be seen from inside the file system: where the image is made from the files (local), there are none.
  },
  {
    id: "image-id",
    group: "must contain",
    reason: "os-release says which image a machine was made from",
    source: images,
    assert: `for key in IMAGE_ID IMAGE_VERSION; do if ! grep -qE "^$key=.+" "$(os_release)"; then echo "/etc/os-release: no $key"; fi; done`,
  },
  {
    id: "manifest",
    group: "must contain",
    reason: "the image says itself which recipe and base it was made from",
    source: "reference D8",
    assert: `if ! grep -q '"recipe"' "$ROOT/etc/ci-images.json" 2>/dev/null; then echo "/etc/ci-images.json: missing"; fi`,
  },
  {
    id: "host-key-generation",
    group: "must contain",
    reason: "without host keys and without a way to make them sshd does not start on the worker",
    source: "reference D8",
    remove: `if ! makes_host_keys; then write_host_key_unit; fi`,
    assert: `if ! makes_host_keys; then echo "nothing makes SSH host keys on first boot: install cloud-init"; fi`,
  },
  {
    id: "cloud-agent",
    group: "must contain",
    reason:
      "without cloud-init, or Google's guest agent, a worker gets neither its name nor the keys of those who may log in",
    source: "reference D8",
    assert: `if ! in_path cloud-init && ! has_google_agent; then echo "cloud-init is missing: add it to install_packages, or take a base image that has it"; fi`,
  },
  {
    id: "grow-root",
    group: "must contain",
    reason: "the root has the size of the recipe, the worker's disk that of the cloud's flavour",
    source: "reference D8",
    assert: `if ! grows_root; then echo "growpart is missing: add cloud-guest-utils (apt) or cloud-utils-growpart (dnf) to install_packages"; fi`,
  },
];
