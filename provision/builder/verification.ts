// Checks for a machine booted from the finished image, in addition to the recipe's own: it has its own identity, it
// accepts none of the bake's keys, and it booted without failures.
import { findingMark } from "./commands.ts";
import type { Check } from "../plan/root.ts";
import { keptPathsFile, keyListFile, lastLookFile, madePathsFile } from "../seal/kept.ts";
import { quote } from "../shell/shell.ts";

/** The builder's identity, from which the new machine's must differ. */
export interface BuilderIdentity {
  /** The builder's machine-id. */
  machineId: string;
  /** The builder's public host keys, lines such as `ssh-ed25519 AAAA...`. */
  hostKeys: readonly string[];
  /** The public key that the bake logged in with: `ssh-ed25519 AAAA... comment`. */
  loginKey: string;
}

/**
 * Seconds for a check that goes through the file system. With 7 GiB of files, on busy emulated hardware, a minute was not
 * enough.
 */
const walkSeconds = 600;

/**
 * The checks for a machine booted from an image. They run before the recipe's own, because the first two wait until the
 * machine has booted.
 * @param builder The identity that must be gone.
 * @param loginUser The account that people log in to.
 */
export function verificationChecks(builder: BuilderIdentity, loginUser: string): Check[] {
  const check = (what: string, script: string, timeoutSeconds = 60): Check => ({
    module: "image",
    what,
    script,
    timeoutSeconds,
  });
  // They only look, or clean up after themselves.
  const independent = [
    check("people can log in by SSH, as far as the recipe lets them", sshLogin(loginUser), 180),
    check("the machine-id is its own", machineId(builder.machineId)),
    check("the SSH host keys are its own, made on this boot", hostKeys(builder.hostKeys)),
    check("no key of the bake is accepted", loginKey(builder.loginKey), walkSeconds),
    check("keys of services are its own, made on this boot", serviceKeys),
    check("no log of the bake is in the image", oldLogs, walkSeconds),
    check("nothing came back when the builder was stopped", lastLook),
    check("the root file system fills the disk", rootSize),
    check("shell histories are empty", histories),
  ];
  return [
    check("cloud-init has finished without an error", cloudInit, 600),
    check("no unit has failed", failedUnits, 300),
    ...independent.map((each) => ({ ...each, independent: true })),
  ];
}

/**
 * The checks for the builder, in addition to the recipe's own: the verification's login account must work. Otherwise
 * the image would be made, and the verification would dial for minutes and be refused.
 * @param loginUser The login account of the cloud's machines.
 */
export function builderChecks(loginUser: string): Check[] {
  return [
    {
      module: "image",
      what: `cloud-init lets whoever boots the image in as ${loginUser}`,
      script: `login_user=${quote(loginUser)}\n${letsIn}`,
      timeoutSeconds: 60,
    },
  ];
}

// Google's guest agent makes accounts by itself. The check runs with the interpreter from cloud-init's first line,
// which has its library.
const letsIn = `\
if command -v google_guest_agent >/dev/null || command -v google_guest_agent_manager >/dev/null || ! command -v cloud-init >/dev/null; then exit 0; fi
python=$(sed -n '1s/^#! *\\([^ ]*\\).*/\\1/p' "$(command -v cloud-init)")
"$python" - "$login_user" <<'END_OF_PROGRAM'
import sys
from cloudinit import util
wanted = sys.argv[1]
config = util.read_conf_with_confd("/etc/cloud/cloud.cfg")
# Root gets the key, too, unless it is kept from logging in.
if wanted == "root" and not config.get("disable_root", True):
    sys.exit(0)
users = config.get("users", ["default"])
names = [each.get("name") if isinstance(each, dict) else each for each in users] if isinstance(users, list) else str(users).replace(",", " ").split()
found = (config.get("system_info") or {}).get("default_user", {}).get("name", wanted)
cure = "the verification logs in as %s: leave the default user as it is, and put others beside it (users: [default, ...])" % wanted
if "default" not in names:
    sys.exit("the list users in /etc/cloud has no entry default, so cloud-init gives nobody the key of who boots the image; " + cure)
if found != wanted:
    sys.exit("system_info.default_user in /etc/cloud is %s, who gets the key of who boots the image; %s" % (found, cure))
END_OF_PROGRAM`;

// Google's own images have a guest agent instead, which finishes its boot with the startup script. All versions of
// cloud-init report "done"; newer ones report "degraded" (exit status 2) if a part only warned.
const cloudInit = `\
if ! command -v cloud-init >/dev/null && [ "$(systemctl is-enabled google-startup-scripts.service 2>/dev/null || true)" = enabled ]; then
  echo "there is no cloud-init here; waiting for google-startup-scripts.service"
  while state=$(systemctl show --property=ActiveState --value google-startup-scripts.service); [ "$state" = activating ]; do sleep 0.5; done
  result=$(systemctl show --property=Result --value google-startup-scripts.service)
  echo "it is $state: $result"
  [ "$state" != failed ] && [ "$result" = success ]
  exit
fi
# On emulated hardware cloud-init's command takes seconds to start, which the boot needs. Its command decides only if it is turned off, fails,
# or ends with errors.
said() { if [ -e "/run/cloud-init/$1.json" ]; then cat "/run/cloud-init/$1.json"; fi; }
exec {idle}<> <(:)
for ((i = 0; ; i++)); do
  if [ ! -e /run/cloud-init/enabled ] || [ -e /run/cloud-init/result.json ]; then break; fi
  if ((i % 50 == 49)) && systemctl --quiet is-failed 'cloud-*'; then break; fi
  read -r -t 0.2 -u "$idle" || true
done
results=$(said result)
errors='"errors": *\\[[^]]'
if [[ $results == *'"errors": []'* ]] && ! [[ $results$(said status) =~ $errors ]]; then
  echo "result.json: no errors"
  exit
fi
answer=$(cloud-init status --wait) || true
echo "$answer"
if ! grep -Eq 'status: (degraded )?(done|degraded)' <<<"$answer"; then
  cloud-init status --long || true
  exit 1
fi`;

// is-system-running has no --wait before systemd 240.
const failedUnits = `\
while state=$(systemctl is-system-running || true); [ "$state" = initializing ] || [ "$state" = starting ]; do sleep 0.5; done
failed=$(systemctl list-units --failed --plain --no-legend)
echo "$failed"
[ -z "$failed" ]`;

/**
 * Checks ordinary logins, which the bake itself doesn't use (door.ts): sshd runs and answers, and the login user gets
 * in with a temporary key. A restriction by sshd's configuration or the account's shell is intended, and reported in
 * the verdict.
 */
function sshLogin(user: string): string {
  const account = quote(user);
  return `\
found() { echo "${findingMark}$1"; }
enabled=no
for unit in ssh.service sshd.service ssh.socket sshd.socket; do if systemctl --quiet is-enabled $unit 2>/dev/null; then enabled=yes; fi; done
if [ $enabled = no ]; then found "sshd is turned off"; exit 0; fi
for ((i = 0; i < 120; i++)); do
  if systemctl --quiet is-active ssh.service || systemctl --quiet is-active sshd.service || systemctl --quiet is-active ssh.socket; then break; fi
  sleep 0.5
done
# Where a socket unit starts sshd, nobody may have made its folder yet.
mkdir -p /run/sshd
/usr/sbin/sshd -t
settings=$(/usr/sbin/sshd -T -C "user=${user},host=localhost,addr=127.0.0.1")
place=$(awk '$1 == "listenaddress" { print $2; exit }' <<<"$settings")
port=\${place##*:}
case $place in 0.0.0.0:* | "[::]":*) host=127.0.0.1 ;; *) host=$(tr -d '[]' <<<"\${place%:*}") ;; esac
banner=
{ exec 3<>"/dev/tcp/$host/$port" && IFS= read -r -t 30 -u 3 banner && exec 3>&-; } || true
echo "at port $port answers: \${banner:-nobody}"
[[ $banner == SSH-* ]]
IFS=: read -r _ _ _ _ _ home shell <<<"$(getent passwd ${account})"
if [ -z "$home" ] || ! command -v ssh >/dev/null; then
  found "sshd answers at port $port; a login was not tried: there is no account ${user}, or no SSH client"
  exit 0
fi
limits=$(grep -E '^((allow|deny)(users|groups)|forcecommand|pubkeyauthentication no|authenticationmethods [^a])' <<<"$settings" | grep -vx 'forcecommand none' | paste -sd , || true)
case $shell in */nologin | */false) limits="\${limits:+$limits,}login shell $shell" ;; esac
keys=$(awk '$1 == "authorizedkeysfile" { print $2; exit }' <<<"$settings")
case $keys in
  .ssh/* | %h/*) keys=$home/\${keys#%h/} ;;
  *) found "sshd answers at port $port; a login as ${user} was not tried: sshd reads keys from $keys"; exit 0 ;;
esac
folder=$(mktemp -d)
made=no
if [ ! -e "$keys" ]; then made=yes; else cp -a "$keys" "$folder/before"; fi
trap 'if [ $made = yes ]; then rm -f "$keys"; else cp -a "$folder/before" "$keys"; fi; rm -rf "$folder"' EXIT
ssh-keygen -q -t ed25519 -N "" -f "$folder/key"
if [ $made = yes ]; then runuser -u ${account} -- install -D -m 0600 /dev/null "$keys"; fi
cat "$folder/key.pub" >>"$keys"
if ssh -F /dev/null -i "$folder/key" -p "$port" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \\
  -o LogLevel=INFO ${account}@"$host" true; then
  found "${user} can log in at port $port"
elif [ -n "$limits" ]; then
  found "${user} can't log in at port $port, which the recipe or the base has set: $limits"
else
  echo "${user} can't log in at port $port; what sshd says:"
  # What sshd has just said may be on its way still: journald answers a sync before it has read everything that was sent to it.
  sleep 2
  journalctl --sync || true
  # By program as well as by unit: journald doesn't know the unit of a process that has ended before it reads the line.
  journalctl --quiet --no-pager --lines 25 --output cat UNIT=ssh.service + UNIT=sshd.service \\
    + _SYSTEMD_UNIT=ssh.service + _SYSTEMD_UNIT=sshd.service + SYSLOG_IDENTIFIER=sshd + SYSLOG_IDENTIFIER=sshd-session + SYSLOG_IDENTIFIER=sshd-auth || true
  exit 1
fi`;
}

function machineId(id: string): string {
  return `\
grep -Eq '^[0-9a-f]{32}$' /etc/machine-id
! grep -qxF -e ${quote(id)} /etc/machine-id`;
}

function hostKeys(keys: readonly string[]): string {
  if (keys.length === 0) throw new TypeError("the builder has at least one host key");
  const patterns = keys.map((key) => `-e ${quote(keyData(key))}`).join(" ");
  return `\
booted=$(sed -n 's/^btime //p' /proc/stat)
count=0
for key in /etc/ssh/ssh_host_*_key.pub; do
  count=$((count + 1))
  if grep -qF ${patterns} "$key"; then echo "$key is the builder's"; exit 1; fi
  # The kernel's idea of when it booted may be off by some seconds.
  if [ "$(stat -c %Y "$key")" -lt "$((booted - 60))" ]; then echo "$key is older than this boot"; exit 1; fi
done
[ "$count" -gt 0 ]`;
}

/** Checks the keys that sealing removed and ci-images-keys.service makes. */
const serviceKeys = `\
if [ ! -e ${keyListFile} ]; then echo "there are none"; exit 0; fi
booted=$(sed -n 's/^btime //p' /proc/stat)
while read -r path mode owner; do
  if [ "$(stat -c '%a %U:%G' "$path")" != "$mode $owner" ]; then echo "$path: $(stat -c '%a %U:%G' "$path") and not $mode $owner"; exit 1; fi
  if [ ! -s "$path" ] || [ "$(stat -c %Y "$path")" -lt "$((booted - 60))" ]; then echo "$path was not made on this boot"; exit 1; fi
done <${keyListFile}`;

// The file doesn't exist if the stopped builder's disk was checked (local).
const lastLook = `\
if [ ! -e ${lastLookFile} ]; then echo "the disk of the stopped builder was read, or systemd did not run it"; exit 0; fi
cat ${lastLookFile}
if [ "$(cat ${lastLookFile})" = pending ]; then
  echo "the builder was cut off before its services had stopped, so nobody knows what they wrote: delete the image, and the next up bakes it again"
fi
[ "$(cat ${lastLookFile})" = ok ]`;

// On clouds the stopped builder's disk can't be read: this check finds logs written after the cleanup.
const oldLogs = `\
booted=$(sed -n 's/^btime //p' /proc/stat)
kept=$(cat ${keptPathsFile} ${madePathsFile} 2>/dev/null || true)
find /var/log -xdev -type f -size +0 ! -newermt "@$((booted - 60))" | while IFS= read -r file; do
  while IFS= read -r path; do if [ -n "$path" ] && { [ "$file" = "$path" ] || [ "\${file#"\${path%/}"/}" != "$file" ]; }; then continue 2; fi; done <<<"$kept"
  echo "$file is older than this boot"
done >/run/ci-images-old-logs
cat /run/ci-images-old-logs
[ ! -s /run/ci-images-old-logs ]`;

function loginKey(key: string): string {
  return `\
found=$(find / -xdev -type f '(' -path '*/authorized_keys*' -o -path '/etc/ssh/*' ')' -exec grep -lF -e ${quote(keyData(key))} {} +) || true
echo "$found"
[ -z "$found" ]`;
}

// The root is the disk's last partition. 16 MiB are allowed for the second partition table and alignment, and some
// space for ext4's own.
const rootSize = `\
source=$(findmnt -n -o SOURCE /)
if systemd-detect-virt --quiet --container; then
  echo "this machine is a container: its root ($source) is not on a block device and has no size of its own"
  exit 0
fi
partition=$(basename "$(readlink -f "$source")")
folder=$(readlink -f "/sys/class/block/$partition")
end=$(($(cat "$folder/start") + $(cat "$folder/size")))
disk=$(cat "$folder/../size")
file_system=$(($(stat -f -c '%b * %S' /) / 512))
echo "disk $disk, partition until $end, file system $file_system (sectors of 512 bytes)"
[ "$end" -ge "$((disk - 32768))" ]
[ "$file_system" -ge "$(($(cat "$folder/size") * 85 / 100))" ]`;

const histories = `\
found=$(find /root /home -xdev -maxdepth 2 -type f -size +0 \\( -name '.*_history' -o -name .lesshst -o -name .viminfo -o -name .wget-hsts \\))
echo "$found"
[ -z "$found" ]`;

/** The key itself, without type and comment. */
function keyData(line: string): string {
  const data = line.trim().split(/\s+/)[1];
  if (!data) throw new TypeError("a public key must be a line such as `ssh-ed25519 AAAA...`");
  return data;
}
