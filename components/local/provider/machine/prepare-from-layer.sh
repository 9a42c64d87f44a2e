# shellcheck shell=bash
# Makes the root of a builder that starts from a layer its own: keys and machine-id of the builder that the layer comes from are replaced
# where its modules have left them as they were. Nothing else changes. Runs inside the root, where there may be no /dev and no /proc.
#
# By the record of the builder's files (provision/seal/guest/files.sh) sealing tells what modules have made. What is replaced here is noted
# there as if it had been there from the start.
record=/var/lib/ci-images/record/files

# One line a file, as the record has it.
list_replaced() {
  local path
  for path in "${replaced[@]}"; do
    if [ -e "$path" ] || [ -L "$path" ]; then find "$path" -maxdepth 0 -not -type d -printf '%p\t%y\t%s\t%T@\n'; fi
  done
}

# Takes the paths of further files that the caller is going to replace.
# shellcheck disable=SC2154 # the caller sets the variables in capitals
replace_identity() {
  local keys lines line id file
  keys=$(getent passwd "$LOGIN_USER" | cut -d: -f6)/.ssh/authorized_keys
  replaced=(/etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub "$keys" /etc/machine-id /var/lib/dbus/machine-id "$@")
  listed_before=$(list_replaced)
  if [ "$(cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null)" = "$HOST_PUBLIC_KEY_BEFORE" ]; then
    (umask 077 && printf '%s\n' "$HOST_PRIVATE_KEY" >/etc/ssh/ssh_host_ed25519_key)
    printf '%s\n' "$HOST_PUBLIC_KEY" >/etc/ssh/ssh_host_ed25519_key.pub
  fi
  if [ -f "$keys" ] && grep -qxF -- "$AUTHORIZED_KEY_BEFORE" "$keys"; then
    lines=$(while IFS= read -r line || [ -n "$line" ]; do
      if [ "$line" = "$AUTHORIZED_KEY_BEFORE" ]; then line=$AUTHORIZED_KEY; fi
      printf '%s\n' "$line"
    done <"$keys")
    printf '%s\n' "$lines" >"$keys"
  fi
  # Not emptied: systemd would take the next boot for the first one, and enable and disable units as the distribution wants them.
  id=$(cat /etc/machine-id 2>/dev/null || true)
  if [[ $id =~ ^[0-9a-f]{32}$ ]]; then
    for file in /etc/machine-id /var/lib/dbus/machine-id; do
      if [ -f "$file" ] && [ ! -L "$file" ] && [ "$(cat "$file")" = "$id" ]; then printf '%s\n' "$MACHINE_ID" >"$file"; fi
    done
  fi
}

note_replaced() {
  if [ ! -f "$record" ]; then return; fi
  # shellcheck disable=SC2016 # awk's own variables
  LISTED_BEFORE=$listed_before LISTED_NOW=$(list_replaced) awk -F '\t' '
    BEGIN {
      count = split(ENVIRON["LISTED_BEFORE"], lines, "\n")
      for (i = 1; i <= count; i++) known[lines[i]]
      count = split(ENVIRON["LISTED_NOW"], lines, "\n")
      for (i = 1; i <= count; i++) {
        split(lines[i], parts, "\t")
        now[parts[1]] = lines[i]
      }
    }
    { print (($0 in known) && ($1 in now)) ? now[$1] : $0 }' "$record" >"$record.new"
  cat "$record.new" >"$record"
  rm "$record.new"
}
