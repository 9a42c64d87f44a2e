// The shell functions that the checklist uses. All of them respect ROOT: empty on a running machine, the folder of the
// tree for a stopped one. Paths are printed as the image will have them.
import { doorPort } from "../builder/door.ts";
import { keptKeysFile, keptPathsFile, keptSecretsFile, madePathsFile } from "./kept.ts";
import { guestFile } from "./scripts.ts";

/** Bash that precedes every removal and assertion. Needs ROOT, BAKE_KEYS (lines of public keys) and BUILDER_NAME. */
export const prelude = `\
shopt -s nullglob dotglob extglob
export LC_ALL=C
# Before 4.4 an empty array counts as not set.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then set +u; fi
ROOT=\${ROOT%/}

${guestFile("files.sh")}
# --- what the recipe keeps: said by modules, and what sealing found that modules have made
made_paths_file=${madePathsFile}
transport_paths=()
load_kept_paths() {
  local file
  kept_paths=("\${transport_paths[@]}")
  for file in "$ROOT${keptPathsFile}" "$ROOT$made_paths_file"; do
    if [ -f "$file" ]; then mapfile -t -O "\${#kept_paths[@]}" kept_paths <"$file"; fi
  done
}
load_kept_paths

is_kept() {
  local kept
  for kept in "\${kept_paths[@]}"; do
    if [[ $kept == /?* && ($1 == "$kept" || $1 == "\${kept%/}"/*) ]]; then return 0; fi
  done
  return 1
}

holds_kept() {
  local kept
  for kept in "\${kept_paths[@]}"; do if [[ $kept == "$1"/* ]]; then return 0; fi; done
  return 1
}

# --- the homes of all accounts, and those beneath /home whose account is gone
list_homes() {
  { cut -d: -f6 "$ROOT/etc/passwd"; for home in "$ROOT"/home/*; do echo "\${home#"$ROOT"}"; done; echo /root; echo /etc/skel; } | sort -u |
    while read -r home; do
      case $home in "" | / | /dev | /proc | /run* | /bin | /sbin | /usr/bin | /usr/sbin | /nonexistent) continue ;; esac
      if [ -d "$ROOT$home" ]; then echo "$home"; fi
    done
}
mapfile -t home_list < <(list_homes)

# --- paths of patterns
# Sets found_paths to what exists of the patterns, ~ standing for every home, without what is kept.
match() {
  local pattern home path IFS=
  found_paths=()
  for pattern in "$@"; do
    local -a tops=("")
    if [[ $pattern == "~/"* ]]; then tops=("\${home_list[@]}"); pattern=\${pattern#"~"}; fi
    for home in "\${tops[@]}"; do
      # shellcheck disable=SC2231 # a pattern
      for path in "$ROOT$home"$pattern; do
        if [[ ! -e $path && ! -L $path ]] || [[ $path == */. || $path == */.. ]]; then continue; fi
        path=\${path#"$ROOT"}
        if ! is_kept "$path"; then found_paths+=("$path"); fi
      done
    done
  done
}

# Prints what exists of the patterns; of a folder with something kept in it, the rest.
found() {
  match "$@"
  local path inner
  for path in "\${found_paths[@]}"; do
    if ! holds_kept "$path"; then echo "$path"; continue; fi
    find "$ROOT$path" -mindepth 1 ! -type d -printf "$path/%P\\n" | while read -r inner; do is_kept "$inner" || echo "$inner"; done
  done
}

# Firewall settings with a line for the bake's own way in.
build_rule='comment "?ci-images-builder|<port (port="${doorPort}" protocol="tcp"|protocol="tcp" port="${doorPort}")'
firewall_files() {
  match /etc/nftables.conf '/etc/nftables.d/*' '/etc/nftables/*' '/etc/iptables/*' /etc/sysconfig/nftables.conf '/etc/sysconfig/ip*tables*' \\
    '/etc/ufw/*.rules' '/etc/firewalld/zones/*'
  local path
  for path in "\${found_paths[@]}"; do
    if [ -f "$ROOT$path" ] && grep -qE "$build_rule" "$ROOT$path"; then echo "$path"; fi
  done
}

in_path() {
  local folder
  for folder in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin /bin /sbin; do
    if [ -x "$ROOT$folder/$1" ]; then return 0; fi
  done
  return 1
}

# --- accounts and keys
open_accounts() {
  awk -F: '$2 !~ /^[!*]/ || $2 ~ /[$]/ { print $1 }' "$ROOT/etc/shadow"
  awk -F: '$2 == "" { print $1 }' "$ROOT/etc/passwd"
}

held_packages() {
  packages_on_hold | while read -r name; do printf '%s\\n' "\${kept_paths[@]}" | grep -xF "hold:$name" >/dev/null || echo "$name"; done
}

sshd_files() {
  match /etc/ssh/sshd_config '/etc/ssh/sshd_config.d/*.conf'
  for path in "\${found_paths[@]}"; do echo "$path"; done
}

# The base64 part tells a key, whatever options and comment stand around it.
key_part='AAAA[0-9A-Za-z+/]+=*'
bake_keys=$(grep -oE "$key_part" <<<"$BAKE_KEYS" || true)
allowed_keys=
if [ -f "$ROOT${keptKeysFile}" ]; then allowed_keys=$(grep -oE "$key_part" "$ROOT${keptKeysFile}" || true); fi

authorized_files() {
  local home path
  for home in "\${home_list[@]}" /etc/ssh; do
    for path in "$ROOT$home"/.ssh/authorized_keys* "$ROOT$home"/authorized_keys*; do
      if [ -f "$path" ]; then echo "\${path#"$ROOT"}"; fi
    done
  done
}

# Prints the lines of a file that may stay (wanted) or not (unwanted). The bake's own keys never may.
authorized_lines() {
  local keep=no
  if is_kept "$2"; then keep=yes; fi
  KEEP=$keep ALLOWED=$allowed_keys BAKE=$bake_keys KEY_PART=$key_part awk -v which="$1" '
    BEGIN {
      count = split(ENVIRON["ALLOWED"], list, "\\n"); for (i = 1; i <= count; i++) allowed[list[i]] = 1
      count = split(ENVIRON["BAKE"], list, "\\n"); for (i = 1; i <= count; i++) bake[list[i]] = 1
    }
    /^[[:space:]]*(#|$)/ { if (which == "wanted") print; next }
    {
      key = match($0, ENVIRON["KEY_PART"]) ? substr($0, RSTART, RLENGTH) : ""
      stays = !(key in bake) && (ENVIRON["KEEP"] == "yes" || key in allowed)
      if (stays == (which == "wanted")) print
    }' "$ROOT$2"
}

private_keys_in() {
  if [ ! -d "$ROOT$1" ]; then return; fi
  { grep -rlE --binary-files=text --devices=skip -e '-----BEGIN [A-Z ]*PRIVATE KEY|^PuTTY-User-Key-File' "$ROOT$1" || true; find "$ROOT$1" -type s; } | while read -r path; do
    path=\${path#"$ROOT"}
    is_kept "$path" || echo "$path"
  done
}

# --- secrets
${guestFile("credentials.sh")}
${guestFile("dumps.sh")}
# SECRETS_FILE: texts in which a secret may stand, one a line. They are never printed.
secret_values() {
  if [ ! -s "\${SECRETS_FILE:-}" ]; then return; fi
  { plain_secrets; packed_secrets; } | sort -u | while read -r path; do
    path="/\${path#"$ROOT/"}"
    grep -sqxF -e "$path" "$ROOT${keptSecretsFile}" || echo "$path: holds a secret of the bake"
  done
}

# All files of the image, with the words for find that follow; on a running machine /boot and others may be file systems of their own.
image_files() {
  local -a tops=("$ROOT/")
  if [ -z "$ROOT" ]; then mapfile -t tops < <(file_systems); fi
  find "\${tops[@]}" -xdev -type f ! -path "$SECRETS_FILE" "$@" -print0
}

# xargs ends with 123 when some grep found nothing.
plain_secrets() {
  image_files | xargs -0 -r grep -lF --binary-files=text -f "$SECRETS_FILE" -- || [ $? -eq 123 ]
}

packed_secrets() {
  local kind path
  local -a files
  for kind in "gzip *.*gz" "xz *.xz" "bzip2 *.bz2" "zstd *.zst"; do
    if ! command -v "\${kind%% *}" >/dev/null; then continue; fi
    files=()
    while IFS= read -r -d "" path; do files+=("$path"); done < <(image_files -name "\${kind#* }")
    packed_with_secret "\${kind%% *}" "\${files[@]}"
  done
}

# All files are unpacked in one go, and only if there is something in them each half of them, and so on. What can't be unpacked is not
# packed, whatever its name says.
packed_with_secret() {
  local program=$1
  shift
  if [ $# -eq 0 ]; then return; fi
  { printf "%s\\0" "$@" | xargs -0 "$program" -dcq -- 2>/dev/null || true; } | holds_secret || return 0
  if [ $# -eq 1 ]; then
    echo "$1"
    return
  fi
  packed_with_secret "$program" "\${@:1:$#/2}"
  packed_with_secret "$program" "\${@:$#/2+1}"
}

# Reads to the end, so that nobody writes into a closed pipe.
holds_secret() { [ "$(grep -cF --binary-files=text -f "$SECRETS_FILE")" -gt 0 ]; }

# --- traces and identity
log_files() {
  find "$ROOT/var/log/" -xdev ! -type d ! -type l -printf "/var/log/%P\\n" | while read -r path; do is_kept "$path" || echo "$path"; done
}

# 127.0.1.1 is where Debian's installer and cloud-init put a machine's own name.
builder_hosts() {
  if [ ! -f "$ROOT/etc/hosts" ] || is_kept /etc/hosts; then return; fi
  BUILDER=$BUILDER_NAME awk '/^[[:space:]]*#/ { next }
    $1 == "127.0.1.1" { print; next }
    ENVIRON["BUILDER"] != "" && ENVIRON["BUILDER"] != "localhost" { for (i = 2; i <= NF; i++) if ($i == ENVIRON["BUILDER"]) { print; next } }' "$ROOT/etc/hosts"
}

os_release() { if [ -f "$ROOT/usr/lib/os-release" ]; then echo "$ROOT/usr/lib/os-release"; else echo "$ROOT/etc/os-release"; fi; }

# Google's own images have their guest environment instead of cloud-init (google_guest_agent, by its older and newer names).
has_google_agent() { in_path google_guest_agent || in_path google_guest_agent_manager; }

grows_root() {
  # gce-disk-expand: a program on Enterprise Linux, a script of the initramfs on Debian.
  in_path growpart || in_path google_disk_expand || [ -e "$ROOT/usr/share/initramfs-tools/scripts/expandroot-lib.sh" ]
}

makes_host_keys() {
  if ! in_path sshd; then return 0; fi
  # cloud-init makes them, too, where it finds a data source; Google's agent as well, but its older versions do not let sshd wait for that.
  local unit
  for unit in "$ROOT"/{usr/lib,lib,etc}/systemd/system/@(sshd-keygen|ci-images-host-keys)*.service; do if [ -e "$unit" ]; then return 0; fi; done
  return 1
}

${guestFile("keys.sh")}
`;
