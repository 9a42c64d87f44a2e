// What sealing does on the running builder beside the checklist: silencing what would write again, and giving the image its name.
import { keptKeysFile, keptPathsFile, ownFolder } from "./kept.ts";
import { feed, quoteAll } from "../shell.ts";

/**
 * Bash functions for the running builder. The machine is powered off right after sealing, without another boot; what units
 * write when they are stopped (the random seed, login records, released leases, the journal) must not come back then. Their
 * ExecStop is emptied, or they are killed, by means that live in /run and so end with this boot.
 */
export const liveFunctions = `\
# These stay: the way we came in, and what the machine needs for its power-off.
needed_services='^(ssh|sshd|sshd?@.*|dbus|dbus-broker|polkit|systemd-.*|user@.*|user-runtime-dir@.*|getty@.*|serial-getty@.*|console-getty|container-getty@.*|NetworkManager|dhcpcd.*|networking|ifup@.*|wicked.*|wpa_supplicant|auditd|ci-images-builder.*)\\.service$'

silence() {
  local unit
  for unit in systemd-random-seed systemd-update-utmp wtmpdb-update-boot networking ifup@ sysstat; do
    install -d "/run/systemd/system/$unit.service.d"
    printf '[Service]\\nExecStop=\\nExecStopPost=\\n' >"/run/systemd/system/$unit.service.d/ci-images-seal.conf"
  done
  install -d /run/systemd/journald.conf.d
  printf '[Journal]\\nStorage=volatile\\n' >/run/systemd/journald.conf.d/zz-ci-images-seal.conf
  systemctl daemon-reload
  # Timers and paths first: they would start services again. The machine's own deadline goes on.
  local -a units
  mapfile -t units < <(systemctl list-units --type=timer,path --state=active --plain --no-legend | awk '$1 !~ /^(systemd-ask-password|ci-images-builder)/ { print $1 }')
  if [ "\${#units[@]}" -gt 0 ]; then systemctl stop "\${units[@]}"; fi
  mapfile -t units < <(systemctl list-units --type=service --state=running,activating --plain --no-legend | awk -v needed="$needed_services" '$1 !~ needed { print $1 }')
  if [ "\${#units[@]}" -gt 0 ]; then echo "stopping \${units[*]}"; systemctl stop "\${units[@]}"; fi
  # A DHCP client that is stopped gives its lease back and writes that down; killed, it leaves address and files alone.
  for unit in NetworkManager dhcpcd; do
    if systemctl --quiet is-active "$unit.service"; then
      systemctl mask --quiet --runtime "$unit.service"
      systemctl kill --signal=KILL "$unit.service"
    fi
  done
  local process
  for process in /proc/[0-9]*; do
    if [ "$(cat "$process/comm" 2>/dev/null)" = dhclient ]; then kill -KILL "\${process#/proc/}"; fi
  done
  systemctl restart systemd-journald.service
  awk '$2 == "file" { print $1 }' /proc/swaps | while read -r file; do swapoff "$file"; done
  # The distribution's own hooks for making images.
  for unit in /etc/cloud/clean.d/*; do if [ -f "$unit" ] && [ -x "$unit" ]; then "$unit"; fi; done
}

remove_authorized_keys() {
  local file wanted unwanted
  authorized_files | while read -r file; do
    unwanted=$(authorized_lines unwanted "$file" | wc -l)
    wanted=$(authorized_lines wanted "$file")
    if [ "$unwanted" -gt 0 ]; then echo "removed $unwanted key(s) from $file"; fi
    if grep -qE "$key_part" <<<"$wanted"; then
      if [ "$unwanted" -gt 0 ]; then printf '%s\\n' "$wanted" >"$file"; fi
    else
      rm -f -- "$file"
      if [[ $file == */.ssh/* ]]; then rmdir --ignore-fail-on-non-empty -- "\${file%/*}"; fi
    fi
  done
}

write_host_key_unit() {
  cat >/etc/systemd/system/ci-images-host-keys.service <<'UNIT'
[Unit]
Description=Make SSH host keys on first boot
Before=ssh.service sshd.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
  systemctl --quiet enable ci-images-host-keys.service
}

free_space() {
  sync
  if [ "$(findmnt --noheadings --output FSTYPE --target / | tail -n 1)" = overlay ]; then return; fi
  if fstrim --verbose /; then return; fi
  if [ "$ZERO_FREE_SPACE" != yes ]; then echo "free space is not trimmed: the disk takes no discards"; return; fi
  echo "filling free space with zeros: the disk takes no discards"
  # Ends when the disk is full, which is what it is for.
  dd if=/dev/zero of=/ci-images-zeros bs=4M status=none 2>/dev/null || true
  sync
  rm -f /ci-images-zeros
  sync
}
`;

/** What a sealed image says about itself. */
export interface ImageIdentity {
  /** The recipe's name; becomes IMAGE_ID in os-release. */
  name: string;
  /** The recipe hash; its first 12 characters become IMAGE_VERSION. */
  recipe: string;
  /** The base image: its id, and what people call it. */
  base: { id: string; description: string };
  /** Further facts for /etc/ci-images.json: tool versions, the project's version. No secrets. */
  facts?: Readonly<Record<string, unknown>>;
}

/** Bash that writes IMAGE_ID and IMAGE_VERSION into os-release, and /etc/ci-images.json. */
export function identityScript({ name, recipe, base, facts }: ImageIdentity): string {
  // os-release(5) allows no other characters in the two.
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9._-]/g, "-");
  const manifest = { name, recipe, base, ...facts, packagesSha256: "@PACKAGES@", sealedAt: "@NOW@" };
  return `\
sed -i -E '/^IMAGE_(ID|VERSION)=/d' "$(os_release)"
printf '%s\\n' IMAGE_ID=${plain(name)} IMAGE_VERSION=${plain(recipe).slice(0, 12)} >>"$(os_release)"
packages=$(package_list | sha256sum | cut -d' ' -f1)
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
sed "s/@PACKAGES@/$packages/; s/@NOW@/$now/" >/etc/ci-images.json ${feed(`${JSON.stringify(manifest, undefined, 2)}\n`)}
chmod 0644 /etc/ci-images.json
`;
}

/** Bash that adds to the lists of what is kept. */
export function keepMore(paths: readonly string[], keys: readonly string[]): string {
  const lines = [`install -d ${ownFolder}`];
  if (paths.length > 0) lines.push(`printf '%s\\n' ${quoteAll(paths)} >>${keptPathsFile}`);
  if (keys.length > 0) lines.push(`printf '%s\\n' ${quoteAll(keys)} >>${keptKeysFile}`);
  return `${lines.join("\n")}\n`;
}
