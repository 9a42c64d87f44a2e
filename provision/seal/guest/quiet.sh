# shellcheck shell=bash
# Silences the builder before anything is removed, so that nothing writes afterwards: the machine is powered off right after
# sealing, without another boot. All means live in /run and so end with this boot.

# These stay: the way we came in, and what the machine needs for its power-off. acpid hears the cloud's power button where logind does not.
needed_units='^(ssh|sshd|sshd?@.*|dbus|dbus-broker|dbus-org\.freedesktop\..*|polkit|systemd-.*|user-runtime-dir@.*|getty@.*|serial-getty@.*|console-getty|container-getty@.*|NetworkManager|dhcpcd.*|networking|ifup@.*|wicked.*|wpa_supplicant|auditd|acpid|ci-images-builder.*)\.(service|socket)$|^(systemd-ask-password.*|ci-images-builder.*)\.(timer|path)$'

# Units of an agent through which the bake came in; they stay until the power-off.
transport_units=

needed() { echo "$needed_units${transport_units:+|$transport_units}"; }

# Prints the active units of some kinds that are not needed.
unneeded_units() {
  systemctl list-units --type="$1" --state="$2" --plain --no-legend | NEEDED=$(needed) awk '$1 !~ ENVIRON["NEEDED"] { print $1 }'
}

# Whatever asks for these units now (a socket, D-Bus, another unit) does not get them: their condition does not hold. A mask
# would not do, as units in /etc can't be masked in /run.
block_units() {
  local unit
  for unit in "$@"; do
    install -d "/run/systemd/system/$unit.d"
    printf '[Unit]\nConditionPathExists=/run/ci-images-seal/never\n' >"/run/systemd/system/$unit.d/zz-ci-images-seal.conf"
  done
}

# Prints the services that D-Bus starts when somebody calls them.
bus_services() {
  { sed -n 's/^SystemdService=//p' /usr/share/dbus-1/system-services/*.service /usr/local/share/dbus-1/system-services/*.service 2>/dev/null || true; } |
    NEEDED=$(needed) awk '$1 !~ ENVIRON["NEEDED"] && $1 !~ /^dbus-org/ { print $1 }' | sort -u
}

stop_units() {
  if [ $# -eq 0 ]; then return; fi
  echo "stopping $*"
  # One that refuses to be stopped is ended with its processes below.
  systemctl stop "$@" || true
}

# Where Session Manager is the way in, its agent has to stay until the power-off; what it notes goes with the last look.
keep_transport() {
  local process name
  for process in /proc/[0-9]*; do
    name_of "${process#/proc/}" || continue
    case $name in
      ssm-session-wor*)
        echo "the way in is Session Manager's agent: it goes on, and what it notes goes when the builder is stopped"
        transport_units='^(snap\.)?amazon-ssm-agent.*\.service$'
        transport_paths=(/var/lib/amazon/ssm /var/log/amazon /var/snap/amazon-ssm-agent)
        load_kept_paths
        return
        ;;
    esac
  done
}

silence() {
  local process name file
  keep_transport
  if by_systemd; then silence_units; fi
  for process in /proc/[0-9]*; do
    if name_of "${process#/proc/}" && [ "$name" = dhclient ]; then kill -KILL "${process#/proc/}"; fi
  done
  end_strangers
  if by_systemd; then systemctl restart systemd-journald.service; fi
  awk '$2 == "file" { print $1 }' /proc/swaps | while read -r file; do swapoff "$file"; done
  unmount_late
}

# Whether systemd runs this machine: without it (upstart) there are no units, and no systemctl. What outlives them is ended all the same.
by_systemd() { [ -d /run/systemd/system ]; }

silence_units() {
  local unit
  local -a units services
  # It keeps the bake's own way in open, and nobody comes after this.
  if systemctl --quiet is-active ci-images-builder-door.service; then systemctl stop ci-images-builder-door.service; fi
  # What units write when they are stopped (the random seed, login records, released leases) must not come back.
  for unit in systemd-random-seed systemd-update-utmp wtmpdb-update-boot networking ifup@ sysstat; do
    install -d "/run/systemd/system/$unit.service.d"
    printf '[Service]\nExecStop=\nExecStopPost=\n' >"/run/systemd/system/$unit.service.d/ci-images-seal.conf"
  done
  install -d /run/systemd/journald.conf.d
  printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/zz-ci-images-seal.conf
  mapfile -t services < <(unneeded_units service running,activating,reloading)
  mapfile -t units < <(bus_services)
  block_units "${services[@]}" "${units[@]}"
  systemctl daemon-reload
  # Timers, paths and sockets first: they would start services again. The machine's own deadline goes on.
  mapfile -t units < <(unneeded_units timer,path,socket active)
  stop_units "${units[@]}"
  mapfile -t units < <(printf '%s\n' "${services[@]}" && unneeded_units service running,activating,reloading)
  mapfile -t units < <(printf '%s\n' "${units[@]}" | grep . | sort -u)
  stop_units "${units[@]}"
  # A DHCP client that is stopped gives its lease back and writes that down; killed, it leaves address and files alone.
  for unit in NetworkManager dhcpcd; do
    if systemctl --quiet is-active "$unit.service"; then
      systemctl mask --quiet --runtime "$unit.service"
      systemctl kill --signal=KILL "$unit.service"
    fi
  done
}

# A builder has dozens of processes, so these functions read /proc without starting programs. The *_of functions set a variable, and
# fail or leave it empty if the process has ended.

# Sets unit: the unit that a process belongs to, from its control group: the last part of its path that is one.
unit_of() {
  local line
  local form='^(0::|1:name=systemd:)(.*/)?([^/]+\.(service|scope|socket|mount|swap))(/.*)?$'
  unit=
  while IFS= read -r line; do
    if [[ $line =~ $form ]]; then unit=${BASH_REMATCH[3]}; fi
  done 2>/dev/null <"/proc/$1/cgroup"
}

# Sets name: the process's command name.
name_of() {
  name=
  IFS= read -r name 2>/dev/null <"/proc/$1/comm"
}

# Sets parent: the number of its parent.
parent_of() {
  local key value
  parent=
  while read -r key value; do
    if [ "$key" = PPid: ]; then parent=$value; fi
  done 2>/dev/null <"/proc/$1/status"
}

# Sets eldest: the eldest ancestor below process 1, or below an SSH server that listens there: of a login its first process.
eldest_of() {
  local above parent name
  eldest=$1
  while parent_of "$eldest" && [ "${parent:-0}" -gt 1 ]; do
    above=$parent
    parent_of "$above" || true
    if [ "$parent" = 1 ]; then
      name_of "$above" || true
      case $name in sshd* | dropbear* | ci-images-*) break ;; esac
    fi
    eldest=$above
  done
}

# Whether a process has a command line. Threads of the kernel have none, and of an ended process none is left.
has_command() {
  local word
  while IFS= read -r -d '' word || [ -n "$word" ]; do
    if [ -n "$word" ]; then return 0; fi
  done 2>/dev/null <"/proc/$1/cmdline"
  return 1
}

# Prints processes that belong neither to the system nor to this session: number, unit, name. A service that leaves processes
# behind when it is stopped (KillMode=process), and what a module has started in the background, are such.
strangers() {
  local directory process unit name parent eldest
  local own_eldest needed
  eldest_of $$
  own_eldest=$eldest
  needed=$(needed)
  for directory in /proc/[0-9]*; do
    process=${directory#/proc/}
    if [ "$process" = 1 ] || ! has_command "$process"; then continue; fi
    # It may end at any moment.
    unit_of "$process" || continue
    if [ "$unit" = init.scope ]; then continue; fi
    eldest_of "$process"
    if [ "$eldest" = "$own_eldest" ]; then continue; fi
    name_of "$process" || continue
    case $unit in
      ssh.service | sshd.service | ci-images-builder*.service | session-*.scope | "")
        case $name in sshd* | dropbear* | ci-images-*) if [ "${unit%.scope}" = "$unit" ]; then continue; fi ;; esac
        # Threads of the kernel, and what entered the machine from outside.
        if [ -z "$unit" ] && parent_of "$process" && [ "$parent" = 0 ]; then continue; fi
        ;;
      *) if [[ $unit =~ $needed ]]; then continue; fi ;;
    esac
    echo "$process ${unit:--} $name"
  done
}

end_strangers() {
  local process unit name found round
  # What is killed may have been started again by what is killed after it.
  for round in 1 2 3; do
    found=$(strangers)
    if [ -z "$found" ]; then return; fi
    while read -r process unit name; do
      echo "ending process $name ($process) of $unit, which nothing has stopped"
      kill -KILL "$process" 2>/dev/null || true
    done <<<"$found"
    sleep "0.$round"
  done
}

# Points of mounts, as they are written in the shell; those beneath a path if one is given. The innermost first.
mount_points() {
  local point
  cut -d' ' -f5 /proc/self/mountinfo | while IFS= read -r point; do
    printf -v point '%b' "${point//\\/\\0}"
    if [ $# -eq 0 ] || [[ $point == "$1" || $point == "$1"/* ]]; then echo "$point"; fi
  done | sort -r
}

unmount() {
  umount -- "$1" 2>/dev/null || umount --lazy -- "$1"
  echo "unmounted $1, which the bake has mounted"
}

# What was mounted since the bake began hides files of the image, or lies where something has to go.
unmount_late() {
  local point
  mount_points | while IFS= read -r point; do
    case $point in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/* | /boot/efi) continue ;; esac
    if ! grep -qxF -- "$(printf '%s' "$point" | sed 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g')" "$record/mounts"; then unmount "$point"; fi
  done
}

# Proves that nothing writes any more: no process is left that might.
assert_quiet() {
  strangers | while read -r process unit name; do echo "process $name ($process) of $unit runs still, and may write into the image"; done
}
