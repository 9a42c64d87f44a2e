# shellcheck shell=bash
# What decides who may log in by ordinary SSH, a fact a line, so that what a step changes there can be told.
# $1 is the account that the bake logs in as.
login_facts() {
  local home sshd said
  home=$(getent passwd "$1" | cut -d: -f6)
  sshd=$(command -v sshd) || sshd=/usr/sbin/sshd
  # A mistake in the configuration is printed in place of the settings.
  "$sshd" -T 2>&1 | grep -Ei '^(port|listenaddress|hostkey|(allow|deny)(users|groups)|permitrootlogin|pubkeyauthentication|authenticationmethods|authorizedkeysfile|forcecommand|usepam) |error|bad |terminating|no such'
  getent passwd "$1"
  getent shadow "$1" | awk -F: '$8 != "" { print "the account expires on day " $8 " since 1970" }'
  stat -c '%n is %A, of %U' "$home" "$home/.ssh" "$home/.ssh/authorized_keys"
  cksum "$home/.ssh/authorized_keys" /etc/pam.d/sshd
  ls -d /etc/nologin /run/nologin
  if [ "$1" != root ] && ! said=$(su -s /bin/sh "$1" -c 'sudo -n true' </dev/null 2>&1); then echo "sudo: $said"; fi
  return 0
}

# Prints what differs between two outputs of login_facts.
login_changes() {
  local line
  while IFS= read -r line; do
    if [ -n "$line" ] && ! grep -qxF -- "$line" <<<"$1"; then echo "  now: $line"; fi
  done <<<"$2"
  while IFS= read -r line; do
    if [ -n "$line" ] && ! grep -qxF -- "$line" <<<"$2"; then echo "  before: $line"; fi
  done <<<"$1"
}
