# shellcheck shell=dash
# Keeps what a builder has changed as a layer, whatever becomes of Pulumi meanwhile:
#   sh keep-layer.sh MACHINE_LOCK LAYER_LOCK SUPERVISOR NODE TOOL COPY TARGET FINISH
# SUPERVISOR is the process id of the builder's supervisor, COPY and FINISH are requests for layer-tool.mjs, TARGET is the folder that it
# makes. One line is printed, by TOOL: what the copy did. The builder goes on from there; the layer gets its name later.
set -u
machine_lock=$1 layer_lock=$2 supervisor=$3 node=$4 tool=$5 copy=$6 target=$7 finish=$8
trap '' HUP INT PIPE TERM
# The layer before this one may be on its way to the disk still. The bake doesn't wait for that: the next layer has what this one would have.
exec 8>>"$machine_lock"
if ! flock --timeout 3 8; then
  echo '{ "did": "skipped", "seconds": 3 }'
  exit
fi
# Whoever looks for leftovers may have removed the file before it was locked.
until exec 9>>"$layer_lock" && flock 9 && [ "$layer_lock" -ef "/proc/$$/fd/9" ]; do :; done
if nsenter --target "$supervisor" --mount --pid -- "$node" "$tool" copy "$copy"; then
  if [ -d "$target" ]; then "$node" "$tool" finish "$finish"; fi
fi
rm -rf --one-file-system -- "$target"
rm -f "$layer_lock"
