set -euo pipefail
umask 077
cd /
unset BASH_ENV SUDO_COMMAND SUDO_USER SUDO_UID SUDO_GID
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
# Not grep -q: it would end locale while that still writes, and a pipe that breaks counts as a failure here.
if locale -a 2>/dev/null | grep -ix 'c[.]utf-\?8' >/dev/null; then export LC_ALL=C.UTF-8; else export LC_ALL=C; fi
state=@RUN_FOLDER@
install -d -m 0700 "$state"
# Where bash puts texts for standard inputs, for this program alone: it has to work on a full disk, too.
unset TMPDIR
TMPDIR=$state
if [ -e "$state/rebooting" ]; then
  echo "ci-images: the builder was told to reboot and has not done so" >&2
  exit 1
fi

# When a connection is lost, what it had started goes on: it must not run beside its own repetition.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -r -a stat <<<"${stat##*) }"
  echo "${stat[19]}"
}
if [ -s "$state/running" ]; then
  read -r shell shell_start job job_start <"$state/running"
  if [ "$(start_time "$shell")" = "$shell_start" ]; then
    echo "ci-images: an earlier run is still at work, its connection was lost: ending it first" >&2
    if [ "$(start_time "$job")" = "$job_start" ]; then kill -TERM -- "-$job" || true; fi
    for ((i = 0; i < 150; i++)); do
      if [ "$(start_time "$shell")" != "$shell_start" ]; then break; fi
      sleep 0.1
    done
    if [ "$(start_time "$shell")" = "$shell_start" ]; then kill -KILL -- "-$job" "$shell" || true; fi
  elif [ "$(start_time "$job")" = "$job_start" ]; then
    kill -KILL -- "-$job" || true
  fi
fi
rm -rf "$state"/running "$state"/secrets "$state"/step.*
if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
  echo "ci-images: dpkg was interrupted earlier: finishing its work" >&2
  dpkg --configure -a
fi

# apt-get waits for dpkg's lock, but not for those of its lists and its cache. apt's daily service waits for this one, which nobody else
# takes, and others may be at work just now.
locked() { [ -e "$1" ] && grep "POSIX .*:$(stat -c %i "$1") " /proc/locks >/dev/null; }
exec {daily}>/dev/null
# (On a full disk it can't be made.)
if [ -x /usr/lib/apt/apt.systemd.daily ] && (umask 022 && touch /var/lib/apt/daily_lock) 2>/dev/null; then
  exec {daily}>>/var/lib/apt/daily_lock
  if ! flock --nonblock "$daily"; then
    echo "ci-images: waiting until apt's daily service has ended" >&2
    flock --timeout 900 "$daily" || true
  fi
  for ((i = 0; i < 300; i++)); do
    if ! locked /var/lib/apt/lists/lock && ! locked /var/cache/apt/archives/lock; then break; fi
    if [ "$i" -eq 0 ]; then echo "ci-images: waiting until another apt has ended" >&2; fi
    sleep 1
  done
fi

work=$(mktemp -d "$state/step.XXXXXX")
trap 'rm -rf "$work" "$state/secrets" "$state/running"' EXIT
: >"$work/failure"
