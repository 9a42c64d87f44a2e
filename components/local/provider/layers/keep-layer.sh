# shellcheck shell=dash
# Keeps a builder's changes as a layer, even if Pulumi is killed meanwhile:
#   sh keep-layer.sh MACHINE_LOCK LAYER_LOCK SUPERVISOR NODE TOOL COPY TARGET FINISH
# SUPERVISOR is the process id of the builder's supervisor, COPY and FINISH are requests for TOOL (layer-tool.mjs), and
# TARGET is the folder that it makes. TOOL prints one line, the result of the copy; the bake goes on at that point. The
# layer gets its name later.
set -u
machine_lock=$1 layer_lock=$2 supervisor=$3 node=$4 tool=$5 copy=$6 target=$7 finish=$8
trap '' HUP INT PIPE TERM
# The previous layer may still be syncing to the disk. The bake doesn't wait long for that: the next layer will include
# this one's changes.
exec 8>>"$machine_lock"
if ! flock --timeout 3 8; then
  echo '{ "did": "skipped", "seconds": 3 }'
  exit
fi
# The cleanup of leftovers may have removed the file before it was locked.
until exec 9>>"$layer_lock" && flock 9 && [ "$layer_lock" -ef "/proc/$$/fd/9" ]; do :; done
at_builder() { nsenter --target "$supervisor" --mount --pid -- "$node" "$tool" "$@"; }
if at_builder copy "$copy"; then
  if [ -d "$target" ]; then "$node" "$tool" finish "$finish"; fi
else
  # A copy that was killed could not do that.
  at_builder thaw
fi
rm -rf --one-file-system -- "$target"
rm -f "$layer_lock"
