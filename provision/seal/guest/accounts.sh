# --- accounts and keys
open_accounts() {
  awk -F: '$2 !~ /^[!*]/ || $2 ~ /[$]/ { print $1 }' "$ROOT/etc/shadow"
  awk -F: '$2 == "" { print $1 }' "$ROOT/etc/passwd"
}

held_packages() {
  packages_on_hold | while read -r name; do printf '%s\n' "${kept_paths[@]}" | grep -xF "hold:$name" >/dev/null || echo "$name"; done
}

sshd_files() {
  match /etc/ssh/sshd_config '/etc/ssh/sshd_config.d/*.conf'
  for path in "${found_paths[@]}"; do echo "$path"; done
}

# The base64 part tells a key, whatever options and comment stand around it.
key_part='AAAA[0-9A-Za-z+/]+=*'
bake_keys=$(grep -oE "$key_part" <<<"$BAKE_KEYS" || true)
allowed_keys=
if [ -f "$ROOT@KEPT_KEYS_FILE@" ]; then allowed_keys=$(grep -oE "$key_part" "$ROOT@KEPT_KEYS_FILE@" || true); fi

# Where sshd, and cloud-init with it, looks for users' keys: the usual places, and those that its settings name. ~ is every home.
authorized_places() {
  local path
  # shellcheck disable=SC2088 # not a path yet
  printf '%s\n' '~/.ssh/authorized_keys*' '~/authorized_keys*' '/etc/ssh/authorized_keys*'
  sshd_files | while read -r path; do sed -nE 's/^[[:space:]]*AuthorizedKeysFile[[:space:]=]+//Ip' "$ROOT$path"; done |
    tr -s '[:space:]"' '\n' | sed -E '/^(none)?$/d; s/%[uU]/*/g; s|^%h/|~/|; s|^[^/~]|~/&|'
}

authorized_files() {
  local places
  local -a patterns
  places=$(authorized_places)
  mapfile -t patterns <<<"$places"
  expand_patterns "${patterns[@]}"
  files_at "${present_paths[@]}" | cut -f1 | sort -u
}

# Prints the lines of a file that may stay (wanted) or not (unwanted). The bake's own keys never may.
authorized_lines() {
  local keep=no
  if is_kept "$2"; then keep=yes; fi
  KEEP=$keep ALLOWED=$allowed_keys BAKE=$bake_keys KEY_PART=$key_part awk -v which="$1" '
    BEGIN {
      count = split(ENVIRON["ALLOWED"], list, "\n"); for (i = 1; i <= count; i++) allowed[list[i]] = 1
      count = split(ENVIRON["BAKE"], list, "\n"); for (i = 1; i <= count; i++) bake[list[i]] = 1
    }
    /^[[:space:]]*(#|$)/ { if (which == "wanted") print; next }
    {
      key = match($0, ENVIRON["KEY_PART"]) ? substr($0, RSTART, RLENGTH) : ""
      stays = !(key in bake) && (ENVIRON["KEEP"] == "yes" || key in allowed)
      if (stays == (which == "wanted")) print
    }' "$ROOT$2"
}

private_keys_in() {
  local path name
  match "$1"
  files_at "${found_paths[@]}" | while IFS=$'\t' read -r path name; do
    if is_kept "$path" || is_kept "$name"; then continue; fi
    if grep -qE --binary-files=text -e '-----BEGIN [A-Z ]*PRIVATE KEY|^PuTTY-User-Key-File' "$ROOT$path"; then echo "$path"; fi
  done | sort -u
  if ! resolve "$1"; then return; fi
  find "$ROOT$resolved" -xdev -type s | while read -r path; do
    path=${path#"$ROOT"}
    is_kept "$path" || echo "$path"
  done
}
