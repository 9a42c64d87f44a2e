#!/bin/sh
# Makes the keys of this machine's services that the image does not have: a key that all workers share is nobody's.
# ci-images-keys.service runs it at boot before any service; what is there already stays.
set -eu

while read -r path mode owner; do
  case $path in
    */popularity-contest.conf) grep -qx 'MY_HOSTID=""' "$path" || continue ;;
    *) if [ -s "$path" ]; then continue; fi ;;
  esac
  echo "making $path"
  umask 077
  case $path in
    */ssl-cert-snakeoil.key) make-ssl-cert generate-default-snakeoil --force-overwrite ;;
    */rndc.key) rndc-confgen -a ;;
    */munge.key) mungekey --create --force --keyfile="$path" ;;
    */dropbear_*_host_key)
      kind=${path##*dropbear_}
      dropbearkey -t "${kind%_host_key}" -f "$path" >/dev/null
      ;;
    */hostnqn) nvme gen-hostnqn >"$path" ;;
    */hostid) cat /proc/sys/kernel/random/uuid >"$path" ;;
    */initiatorname.iscsi) echo "InitiatorName=$(iscsi-iname)" >"$path" ;;
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
