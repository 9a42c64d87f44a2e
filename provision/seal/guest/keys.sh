# shellcheck shell=bash
# Keys and names of services that only one machine may have, and that the service can't make itself: they go, and the machine
# makes its own on first boot (make-keys.sh), before any service starts.

# What make-keys.sh knows to make, and the program that it takes.
key_makers="\
/etc/ssl/private/ssl-cert-snakeoil.key make-ssl-cert
/etc/bind/rndc.key rndc-confgen
/etc/munge/munge.key mungekey
/etc/dropbear/dropbear_rsa_host_key dropbearkey
/etc/dropbear/dropbear_ecdsa_host_key dropbearkey
/etc/dropbear/dropbear_ed25519_host_key dropbearkey
/etc/nvme/hostnqn nvme
/etc/nvme/hostid nvme
/etc/iscsi/initiatorname.iscsi iscsi-iname
/etc/popularity-contest.conf popularity-contest"

# Prints those that are there.
service_keys() {
  local path
  # Without systemd nothing would make them again.
  if in_path systemctl; then made_keys; fi
  # MySQL makes these itself where all are missing; MariaDB, which does not, has no auto.cnf.
  if [ -f "$ROOT/var/lib/mysql/auto.cnf" ]; then
    match '/var/lib/mysql/auto.cnf' '/var/lib/mysql/@(ca|server|client)?(-key|-cert).pem' '/var/lib/mysql/@(private|public)_key.pem'
    for path in "${found_paths[@]}"; do echo "$path"; done
  fi
}

# Prints those that make-keys.sh makes.
made_keys() {
  local path program
  while read -r path program; do
    if [ ! -f "$ROOT$path" ] || is_kept "$path" || ! in_path "$program"; then continue; fi
    # Of these settings only one line is the machine's own.
    case $path in */popularity-contest.conf) grep -qE '^MY_HOSTID="?[^"[:space:]]' "$ROOT$path" || continue ;; esac
    echo "$path"
  done <<<"$key_makers"
}
