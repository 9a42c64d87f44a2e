# Runs a command in a control group of its own, out of the login session or service that this was started from:
#   sh enter-control-group.sh ROOT GROUP COMMAND...
# ROOT is where the second version of control groups is mounted, GROUP the group below it, which is made; an empty GROUP means the
# one that this process is in already, a scope that systemd delegated.
set -eu
root=$1 group=$2
shift 2

# Hands the group's controllers on to the groups below it. A host may keep some to itself; limits of their kind don't work inside then.
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
# A group that hands controllers on holds no processes itself.
mkdir -p "$root/$group/supervisor" "$root/$group/guest"
echo 0 >"$root/$group/supervisor/cgroup.procs"
hand_on "$root/$group"
exec "$@"
