# Runs a command in its own control group, outside the login session or service that it was started from:
#   sh enter-control-group.sh ROOT GROUP COMMAND...
# ROOT is the mount point of control groups version 2. GROUP is made below it; if it is empty, the process's present
# group is used, a scope that systemd delegated.
set -eu
root=$1 group=$2
shift 2

# Enables the group's controllers for the groups below it. A host may withhold some; their limits don't work inside
# then.
hand_on() {
  read -r controllers <"$1/cgroup.controllers" || return 0
  for controller in $controllers; do
    case $controller in cpu | cpuset | io | memory | pids) ;; *) continue ;; esac
    { echo "+$controller" >"$1/cgroup.subtree_control"; } 2>/dev/null || echo "$1 does not hand on $controller" >&2
  done
}

if [ -n "$group" ]; then
  hand_on "$root"
else
  group=$(sed -n 's/^0:://p' /proc/self/cgroup)
fi
# A group that enables controllers must not have processes itself.
mkdir -p "$root/$group/supervisor" "$root/$group/guest"
echo 0 >"$root/$group/supervisor/cgroup.procs"
hand_on "$root/$group"
exec "$@"
