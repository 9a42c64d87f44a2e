// The sealing checklist: everything that a sealed image must or must not contain, each with its reason and source. Each
// entry removes on the builder, and later checks the result. prelude.ts has the shell functions used here.

/** The subject of an entry. */
export type ChecklistGroup = "identity" | "access" | "secrets" | "traces" | "state" | "must contain";

/** One entry of the checklist. */
export interface ChecklistEntry {
  /** Its name in messages: `ssh-host-keys`. */
  id: string;
  group: ChecklistGroup;
  /** Why it is on the list, in one line. */
  reason: string;
  /** The source of the fact. */
  source: string;
  /**
   * Shell patterns of paths to remove, unless the recipe keeps them; `~/` means every account's home, wherever it is.
   */
  paths?: readonly string[];
  /**
   * Shell patterns of paths to remove if they come from the base or the bake itself. If a module has made or changed
   * them, they stay. `paths`, in contrast, go by their place: rule 1 in docs/sealing.md names such places.
   */
  leftovers?: readonly string[];
  /** Shell patterns of files, and of folders with files, to remove if their content is a credential. */
  credentials?: readonly string[];
  /** More removal on the builder, after the paths are gone (bash, as root). */
  remove?: string;
  /** A description of `remove` for people, in docs/sealing.md. */
  also?: string;
  /**
   * More to check (bash): prints one line for each finding. Read-only; every path starts with `$ROOT`.
   */
  assert?: string;
  /** Removed last, because the sealing session itself still needs or writes it. */
  late?: true;
}

const sysprep = "virt-sysprep's operations";
const images = "systemd, Safely Building Images";
const aws = "AWS, recommendations for shared Linux AMIs";
const cloudInit = "cloud-init clean (cloudinit/cmd/clean.py)";
const eks = "amazon-eks-ami, cleanup.sh";
const kubernetes = "kubernetes-sigs image-builder, role sysprep";

/** The checklist, in the order of removal, except for entries that are `late`. */
export const checklist: readonly ChecklistEntry[] = [
  {
    id: "build-services",
    group: "state",
    reason: "services and timers that only the builder needs would run on every worker",
    source: "our own: the builder's units are called ci-images-builder*",
    paths: [
      "/etc/systemd/system/ci-images-builder*",
      "/etc/systemd/system/*.wants/ci-images-builder*",
      "/etc/systemd/system/*.d/ci-images-builder*",
      "/etc/systemd/*.conf.d/*ci-images-builder*",
      "/usr/local/sbin/ci-images-builder*",
    ],
  },
  {
    id: "build-door",
    group: "access",
    reason: "the bake's own way in, with its host key and the key that it lets in",
    source: "our own: provision/builder/door.ts",
    paths: ["/etc/ci-images-builder"],
  },
  {
    id: "build-firewall",
    group: "state",
    reason: "firewall rules that only the bake needed stay open",
    source: "our own: the builder's rules are called ci-images-builder*",
    paths: [
      "/etc/nftables.d/ci-images-builder*",
      "/etc/firewalld/*/ci-images-builder*",
      "/etc/iptables/*ci-images-builder*",
    ],
    // A recipe that saves the current rules includes ours (provision/builder/door/keep-open.sh).
    remove: `firewall_files | while read -r file; do sed -i -E "/$build_rule/d" "$file"; done`,
    assert: `firewall_files | while read -r file; do echo "$file: a rule for the bake's own way in"; done`,
  },
  {
    id: "held-packages",
    group: "state",
    reason: "a package that the base holds back never gets its security updates; what a module puts on hold stays so",
    source: "the union of other image cleaners' lists",
    remove: `unhold_packages`,
    also: "packages that were on hold before the first module ran are no longer held",
    assert: `held_packages`,
  },
  {
    id: "password-hashes",
    group: "access",
    reason: "a password in an image opens every machine that boots from it; root stays locked",
    source: aws,
    remove: `open_accounts | while read -r name; do usermod --password '!*' "$name"; done`,
    also: "passwords of all accounts are locked",
    assert: `open_accounts`,
  },
  {
    id: "account-backups",
    group: "access",
    reason: "backups of the account files hold password hashes that were changed since",
    source: `${sysprep} (passwd-backups)`,
    paths: [
      "/etc/{passwd,shadow,group,gshadow,subuid,subgid}{-,.bak,.old,.orig,+}",
      "/var/backups/{passwd,shadow,group,gshadow,dpkg,apt,alternatives,aptitude}*",
    ],
  },
  {
    id: "sshd-loosened",
    group: "access",
    reason: "sshd settings loosened for the bake let people in by password",
    source: aws,
    paths: ["/etc/ssh/sshd_config.d/*ci-images-builder*", "/etc/ssh/sshd_config.d/50-cloud-init.conf"],
    remove: `sshd_files | while read -r file; do grep -qiE '^\\s*(PermitRootLogin|PermitEmptyPasswords)\\s+yes\\b' "$file" || continue; sed -i -E 's/^(\\s*PermitRootLogin\\s+)yes\\b/\\1prohibit-password/I; s/^(\\s*PermitEmptyPasswords\\s+)yes\\b/\\1no/I' "$file"; done`,
    also: "`PermitRootLogin yes` becomes `prohibit-password`, `PermitEmptyPasswords yes` becomes `no`",
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
    source: "the union of other image cleaners' lists; CIS practice",
    paths: [
      "/var/lib/amazon/ssm/*",
      "/etc/docker/key.json",
      "/var/lib/docker/{swarm,engine-id}",
      "~/actions-runner/{.credentials*,.runner}",
      "/etc/salt/{minion_id,pki/minion/*}",
      "/etc/{puppet/ssl,puppetlabs/puppet/ssl,chef/client.pem}",
      "/var/lib/{puppet/ssl,tailscale,zabbix-agent}/*",
      "/var/lib/rabbitmq/.erlang.cookie",
    ],
    credentials: ["/etc/gitlab-runner/config.toml", "/etc/buildkite-agent/{token,buildkite-agent.cfg}"],
  },
  {
    id: "gce-state",
    group: "identity",
    reason: "GCE's guest agent notes the instance it runs on and takes a copy for the same one",
    source: "GoogleCloudPlatform/guest-agent (google_guest_agent/instance_setup.go, cfg/cfg.go)",
    paths: ["/etc/boto.cfg", "/etc/google_instance_id", "/var/lib/{google,google-guest-agent}/*"],
    // Only the line that older agents wrote: the rest of the file is configuration.
    remove: `if [ -f "$ROOT/etc/default/instance_configs.cfg" ]; then sed -i -E '/^\\s*instance_id\\s*=/Id' "$ROOT/etc/default/instance_configs.cfg"; fi`,
    also: "`instance_id` in `/etc/default/instance_configs.cfg`",
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
      "/etc/netplan/50-cloud-init.yaml",
      "/etc/network/interfaces.d/50-cloud-init*",
      "/etc/systemd/network/*{cloud-init,ci-images-builder}*",
    ],
    leftovers: ["/etc/NetworkManager/system-connections/*"],
    remove: `for file in /etc/sysconfig/network-scripts/ifcfg-*; do sed -i '/^\\(HWADDR\\|MACADDR\\|UUID\\)=/d' "$file"; done`,
    also: "`HWADDR`, `MACADDR` and `UUID` in `/etc/sysconfig/network-scripts/ifcfg-*`",
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
    // Empty, not "uninitialized": both give the worker its own id, but the latter also counts as first boot
    // (ConditionFirstBoot), which enables by preset what modules have disabled and may ask questions on the console.
    reason: "an id shared by machines confuses DHCP, the journal and D-Bus; empty means: make a new one at boot",
    source: `machine-id(5), section First Boot Semantics; ${images}`,
    remove: `: >/etc/machine-id; chmod 0444 /etc/machine-id; if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then ln -s -f /etc/machine-id /var/lib/dbus/machine-id; fi`,
    also: "`/etc/machine-id` is emptied, `/var/lib/dbus/machine-id` becomes a link to it",
    assert: `if [ ! -f "$ROOT/etc/machine-id" ]; then echo "/etc/machine-id: missing"; elif [ -s "$ROOT/etc/machine-id" ]; then echo /etc/machine-id; fi
if [ -f "$ROOT/var/lib/dbus/machine-id" ] && [ ! -L "$ROOT/var/lib/dbus/machine-id" ]; then echo /var/lib/dbus/machine-id; fi`,
  },
  {
    id: "host-names",
    group: "identity",
    reason: "the builder's name; the worker gets its own from the cloud",
    source: `${images}; ${sysprep} (net-hostname)`,
    paths: ["/etc/{hostname,HOSTNAME,machine-info}"],
    remove: `clean_hosts\nclean_host_names`,
    also: "the base's lines for the builder's name (127.0.1.1) in `/etc/hosts`, but not those added by modules; the builder's name in the settings of Postfix and Exim, in `/etc/mailname` and in `/etc/aliases.db`; RabbitMQ's database for the builder's node. Other files in `/etc` and `/var/lib` that contain the name are reported as `noted`",
    assert: `builder_hosts | sed 's,^,/etc/hosts: ,'`,
  },
  {
    id: "resolv-conf",
    group: "identity",
    reason: "name servers of the build network do not answer elsewhere",
    source: eks,
    remove: `clean_resolv_conf`,
    also: "the builder's `/etc/resolv.conf`; one written by a module stays",
    assert: `if [ ! -L "$ROOT/etc/resolv.conf" ] && [ -s "$ROOT/etc/resolv.conf" ] && ! is_kept /etc/resolv.conf; then echo /etc/resolv.conf; fi`,
  },
  {
    id: "service-keys",
    group: "identity",
    reason:
      "keys and names that packages make when they are installed would be the same on all workers; the worker makes its own on first boot, before its services start",
    source: `AWS Marketplace AMI policy; make-ssl-cert(8), rndc-confgen(8), mungekey(8), iscsi-iname(8)`,
    remove: `remove_service_keys`,
    assert: `service_keys`,
    also: "`/etc/ssl/private/ssl-cert-snakeoil.key`, `/etc/bind/rndc.key`, `/etc/munge/munge.key`, `/etc/dropbear/dropbear_*_host_key`, `/etc/nvme/host{nqn,id}`, `/etc/iscsi/initiatorname.iscsi`, `MY_HOSTID` in `/etc/popularity-contest.conf`, which `ci-images-keys.service` makes at boot; MySQL's `auto.cnf` and own certificates, which MySQL makes. Without systemd (Ubuntu 14.04) only MySQL's go, and the log names those that stay",
  },
  {
    id: "user-keys",
    group: "access",
    reason: "private keys of users and what they trusted during the bake",
    source: `${sysprep} (ssh-userdir); ${aws}`,
    paths: ["~/.gnupg/{private-keys-v1.d/*,secring.gpg,S.*,random_seed}"],
    leftovers: ["~/.ssh/known_hosts*"],
    assert: `for home in "\${home_list[@]}"; do private_keys_in "$home/.ssh"; done`,
    remove: `for home in "\${home_list[@]}"; do private_keys_in "$home/.ssh" | take_listed; done`,
    also: "private keys and sockets of agents in `~/.ssh`, by their content",
  },
  {
    id: "cloud-credentials",
    group: "secrets",
    reason: "credentials and tokens of clouds, registries and package hosts",
    source: `${aws}; AWS Marketplace AMI policy`,
    credentials: [
      "~/{.aws,.azure,.boto,.s3cfg,.netrc,.pypirc,.vault-token,.pgpass,.my.cnf,.git-credentials}",
      "~/.config/{gcloud,gh,openstack,rclone,git/credentials,containers/auth.json}",
      "~/.docker/config.json",
      "~/.kube/config*",
      "~/.m2/{settings,settings-security}.xml",
      "~/.gradle/gradle.properties",
      "~/.gem/credentials",
      "~/.cargo/credentials*",
      "~/.terraform.d/credentials*",
      "~/.composer/auth.json",
      "~/.subversion/auth",
      "~/.npmrc",
      // npm's global file, by its prefix: module node and Debian's npm have /usr/local.
      "/etc/npmrc",
      "/usr/{,local/}etc/npmrc",
      "~/.config/pip/pip.conf",
      "~/.pip/pip.conf",
      "/etc/pip.conf",
      "/etc/apt/auth.conf",
      "/etc/apt/auth.conf.d/*",
    ],
    assert: `passwords_in_sources`,
    also: "a password for a package source or its proxy (`password`, `proxy_password`, in an address) ends the bake, because the setting has to stay",
  },
  {
    id: "environment-secrets",
    group: "secrets",
    reason: "environment files with tokens, and proxy settings with a password in them",
    source: "the union of other image cleaners' lists",
    remove: `remove_secret_lines`,
    also: "lines with a secret in `/etc/environment`, `/etc/environment.d`, `/etc/profile.d`, apt's and dnf's settings, `~/.pam_environment`, `~/.ssh/environment` and the like; a line that only names a variable or a file stays",
    assert: `environment_secrets | sed 's/$/: a line with a secret/'`,
  },
  {
    id: "tls-keys",
    group: "secrets",
    reason: "TLS keys made during the bake would be shared by all workers; keep one by the module files",
    source: "AWS Marketplace AMI policy",
    paths: ["/etc/letsencrypt/{live,archive,accounts,keys}"],
    remove: `secret_key_files /etc/ssl/private /etc/pki/tls/private | take_listed`,
    assert: `secret_key_files /etc/ssl/private /etc/pki/tls/private`,
    also: "every key (certificates stay) in `/etc/ssl/private` and `/etc/pki/tls/private`",
  },
  {
    id: "secret-values",
    group: "secrets",
    reason: "a secret that the bake was given lies in a file",
    source: "our own: secrets are never part of an image",
    assert: `secret_values`,
  },
  {
    id: "crash-data",
    group: "traces",
    reason: "dumps hold the memory of processes, with what was secret there",
    source: `${sysprep} (abrt-data, crash-data)`,
    paths: ["/var/crash/*", "/var/lib/systemd/{coredump,pstore}/*", "/var/spool/abrt/*"],
    remove: `core_dumps | take_listed`,
    assert: `core_dumps`,
    also: "core dumps (ELF): files `core` and `core.NUMBER` at the root and in homes",
  },
  {
    id: "spools",
    group: "traces",
    reason: "mail and jobs that wait; what a module puts into a crontab stays",
    source: `${sysprep} (mail-spool, cron-spool)`,
    paths: [
      "/var/{spool/,}mail/*",
      "/var/spool/{postfix/{maildrop,incoming,active,deferred,bounce,defer},exim4/{input,msglog}}/*",
      "/var/spool/cron/{atjobs,atspool}/!(.SEQ)",
      "/var/spool/{at,anacron}/!(.SEQ|spool)",
    ],
    leftovers: ["/var/spool/cron/{crontabs,tabs}/!(.SEQ)", "/var/spool/cron/!(crontabs|atjobs|atspool|tabs|lastrun)"],
  },
  {
    id: "editor-backups",
    group: "traces",
    reason: "backups that editors and packages leave hold old settings and secrets",
    source: `${sysprep} (backup-files)`,
    paths: ["/etc/{,*/,*/*/}{.*.sw[a-p],#*#,*.dpkg-old,*.dpkg-dist,*.ucf-old,*.rpmsave}", "~/{.*.sw[a-p],#*#}"],
    remove: `backup_files | take_listed`,
    assert: `backup_files`,
    also: "`NAME~` beside a file NAME in `/etc` and in homes",
  },
  {
    id: "swap",
    group: "traces",
    reason: "swap files and hibernation images hold the builder's memory",
    source: kubernetes,
    paths: ["/hiberfil.sys"],
    leftovers: ["/{swapfile,swap.img}", "/var/{swapfile,swap,swap.img}", "/var/lib/swap*"],
    remove: `empty_swap_files`,
    also: "the content of a swap file that a module made; the file itself stays",
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
    ],
  },
  {
    id: "cloud-init",
    group: "state",
    reason:
      "cloud-init that is done does nothing on the worker, and its data hold the user data: the host key injected into the builder, too",
    source: cloudInit,
    paths: ["/var/lib/cloud/!(scripts|seed)", "/etc/cloud/{,cloud.cfg.d/}*ci-images-builder*"],
    leftovers: ["/etc/cloud/cloud-init.disabled", "/var/lib/cloud/seed/*"],
  },
  {
    id: "recipe-files",
    group: "secrets",
    reason: "the recipe's temporary files, uploaded modules and test reports",
    source: "our own: all of them are called ci-images*",
    paths: ["/var/lib/ci-images", "/var/tmp/ci-images*", "/tmp/ci-images*"],
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
    source: "the union of other image cleaners' lists",
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
    // The folders stay: services would not start without them.
    paths: [
      "/root/{anaconda,original}-ks.cfg",
      "/root/install.log*",
      "/var/log/journal/*",
      // Queued messages for a log server, and read positions: a worker would send the builder's logs.
      "/var/{spool,lib}/rsyslog/*",
      "/var/lib/syslog-ng/*.{persist,qf,rqf}",
      "/var/lib/systemd/journal-upload/*",
      "/opt/aws/amazon-cloudwatch-agent/logs/{*.log,state/*}",
    ],
    remove: `log_files | take_listed`,
    also: "every file below `/var/log`; the folders stay",
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
    also: "keys in `authorized_keys*` of every account: the bake's own always, others unless `ssh_keys` of `add_user` or `files` put them there",
    assert: `authorized_files | while read -r file; do unwanted=$(authorized_lines unwanted "$file" | wc -l); if [ "$unwanted" -gt 0 ]; then echo "$file: $unwanted key(s) that no module put there"; fi; done`,
    late: true,
  },
  {
    id: "ssh-host-keys",
    group: "identity",
    reason: "who has the image could pass for any worker; the key that the bake was pinned to is one of them",
    source: `${sysprep} (ssh-hostkeys); ${aws}`,
    paths: ["/etc/ssh/ssh_host_*"],
    late: true,
  },
  {
    id: "free-space",
    group: "state",
    reason: "deleted files, secrets among them, can be read from blocks that were not trimmed",
    source: "the union of other image cleaners' lists",
    remove: `free_space`,
    also: "free space is trimmed",
    late: true,
    // Not asserted: free blocks can't be seen from inside the file system. An image made from files (local) has none.
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
    source: "the union of other image cleaners' lists",
    assert: `if ! grep -q '"recipe"' "$ROOT/etc/ci-images.json" 2>/dev/null; then echo "/etc/ci-images.json: missing"; fi`,
  },
  {
    id: "host-key-generation",
    group: "must contain",
    reason: "without host keys and without a way to make them sshd does not start on the worker",
    source: "the union of other image cleaners' lists",
    remove: `if needs_host_key_unit; then write_host_key_unit; fi`,
    assert: `if needs_host_key_unit && [ ! -e "$ROOT/etc/systemd/system/ci-images-host-keys.service" ]; then echo "nothing makes SSH host keys on first boot: ci-images-host-keys.service is gone"; fi`,
  },
  {
    id: "cloud-agent",
    group: "must contain",
    reason:
      "without cloud-init, or Google's guest agent, a worker gets neither its name nor the keys of those who may log in",
    source: "the union of other image cleaners' lists",
    assert: `if [ -e "$ROOT/etc/cloud/cloud-init.disabled" ] && is_kept /etc/cloud/cloud-init.disabled; then echo "a module has turned cloud-init off (/etc/cloud/cloud-init.disabled): nobody could log in to a worker"; fi
if ! in_path cloud-init && ! has_google_agent; then echo "cloud-init is missing: add it to install_packages, or take a base image that has it"; fi`,
  },
  {
    id: "grow-root",
    group: "must contain",
    reason: "the root has the size of the recipe, the worker's disk that of the cloud's flavour",
    source: "the union of other image cleaners' lists",
    assert: `if ! grows_root; then echo "growpart is missing: add cloud-guest-utils (apt) or cloud-utils-growpart (dnf) to install_packages"; fi`,
  },
];
