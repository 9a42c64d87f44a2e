#!/bin/sh
# Makes the keys of this machine's services that the image does not have: a key that all workers share is nobody's.
# ci-images-keys.service runs it at boot before any service; what is there already stays.
set -eu

# A recipe on top of this one may have removed the program.
has() { command -v "$1" >/dev/null || { echo "$1 is not installed" && false; }; }

while read -r path mode owner; do
  case $path in
    */popularity-contest.conf) grep -qx 'MY_HOSTID=""' "$path" || continue ;;
    *) if [ -s "$path" ]; then continue; fi ;;
  esac
  echo "making $path"
  umask 077
  case $path in
    */ssl-cert-snakeoil.key) has make-ssl-cert || continue; make-ssl-cert generate-default-snakeoil --force-overwrite ;;
    */rndc.key) has rndc-confgen || continue; rndc-confgen -a ;;
    */munge.key) has mungekey || continue; mungekey --create --force --keyfile="$path" ;;
    */dropbear_*_host_key)
      has dropbearkey || continue
      kind=${path##*dropbear_}
      dropbearkey -t "${kind%_host_key}" -f "$path" >/dev/null
      ;;
    */hostnqn) has nvme || continue; nvme gen-hostnqn >"$path" ;;
    */hostid) cat /proc/sys/kernel/random/uuid >"$path" ;;
    */initiatorname.iscsi) has iscsi-iname || continue; echo "InitiatorName=$(iscsi-iname)" >"$path" ;;
    */popularity-contest.conf) sed -i "s/^MY_HOSTID=\"\"/MY_HOSTID=\"$(tr -d - </proc/sys/kernel/random/uuid)\"/" "$path" ;;
    *)
      echo "nothing is known about how to make $path" >&2
      exit 1
      ;;
  esac
  chown "$owner" "$path"
  chmod "$mode" "$path"
  if command -v restorecon >/dev/null; then restorecon "$path"; fi
done </usr/lib/ci-images/first-boot-keys
