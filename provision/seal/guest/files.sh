# shellcheck shell=bash
# Lists of the image's files, and the record of what was there before the first module ran: by the two, sealing tells what the
# base and the bake's own machinery left from what a module made. The record lies where a reboot leaves it alone, in the folder
# that sealing removes last.
record=/var/lib/ci-images/record

# The mount points of the image's file systems: on a machine of a cloud /boot and others have their own.
file_systems() {
  echo /
  findmnt --noheadings --list --output TARGET --types ext2,ext3,ext4,xfs,btrfs,vfat | grep -vxF / || true
}

# One line a file: path, type, and of all but folders size and time of change. With paths: what is at and below them.
# shellcheck disable=SC2120 # not every script that has it names paths
list_files() {
  local -a tops=("$@")
  if [ $# -eq 0 ]; then mapfile -t tops < <(file_systems); fi
  find "${tops[@]}" -xdev -path /var/lib/ci-images -prune -o -type d -printf '%p\td\n' -o -printf '%p\t%y\t%s\t%T@\n'
}

# Reads lines of list_files, prints their paths.
paths_of() { sed -E 's/\t(d|[^\t]+\t[0-9]+\t[0-9.]+)$//'; }

# Reads lines of list_files, prints those that the record has not, or not so.
made_since() { awk 'NR == FNR { known[$0]; next } !($0 in known)' "$record/files" -; }

# Prints the packages that are on hold.
packages_on_hold() {
  if [ ! -f "${ROOT:-}/var/lib/dpkg/status" ]; then return; fi
  awk '/^Package: /{ name = $2 } /^Status: hold /{ print name }' "${ROOT:-}/var/lib/dpkg/status"
}

# Prints the names that this machine has or had: what software notes of it is wrong on a worker. Names that many machines have tell nothing.
host_names() {
  local name
  { uname -n; cat /etc/hostname "$record/host-names" 2>/dev/null || true; } | sed 's/[[:space:]].*//; s/\..*//' | sort -u |
    while read -r name; do
      case $name in "" | ? | ?? | \#* | localhost | debian | ubuntu | rocky | centos | amazon | fedora | "(none)") continue ;; esac
      echo "$name"
    done
}

# Takes the record, once in a bake.
take_record() {
  local file
  if [ -e "$record/complete" ]; then return; fi
  install -d -m 0700 "$record"
  list_files >"$record/files"
  for file in hosts resolv.conf; do
    if [ -f "/etc/$file" ]; then cat "/etc/$file" >"$record/$file"; fi
  done
  cut -d' ' -f5 /proc/self/mountinfo >"$record/mounts"
  packages_on_hold >"$record/held"
  host_names >"$record/host-names"
  touch "$record/complete"
}
