# "systemctl start" does not say why a unit failed. Those that have been silent since the step began failed before it.
failed_units() {
  local unit said
  { systemctl list-units --failed --plain --no-legend || true; } 2>/dev/null | while read -r unit _; do
    said=$(journalctl --quiet --no-pager --output=cat --lines=5 --since="@$began_at" "_SYSTEMD_UNIT=$unit" 2>/dev/null || true)
    if [ -n "$said" ]; then printf '%s\n' "$unit has failed, its last lines:" "$said"; fi
  done
}
set -m
mkfifo "$work/out" "$work/err"
"${filter[@]}" <"$work/out" &
out_filter=$!
"${filter[@]}" <"$work/err" >&2 &
err_filter=$!
disown "$out_filter" "$err_filter"
began=$SECONDS
began_at=$(date +%s)
(
  umask 022
  export BASH_ENV=$work/preamble
  exec timeout --kill-after=10 "$seconds" bash -Eeuo pipefail "$work/script"
) >"$work/out" 2>"$work/err" {daily}>&- &
job=$!
echo "$$ $(start_time $$) $job $(start_time "$job")" >"$state/running"
status=0
wait "$job" || status=$?
for ((i = 0; i < 80; i++)); do
  if ! kill -0 "$out_filter" 2>/dev/null && ! kill -0 "$err_filter" 2>/dev/null; then break; fi
  sleep 0.025
done
held=
for pid in "$out_filter" "$err_filter"; do
  if kill "$pid" 2>/dev/null; then held=yes; fi
done
if [ -n "$held" ]; then
  echo "ci-images: $title left a process behind that holds its output; what that prints is not shown" >&2
fi
closed=$(door_after 2>&1)
changed=$(door_changes)
if [ -n "$changed" ]; then
  echo "ci-images: $title has changed how people log in by SSH, which is the bake's way into this machine, too. If the next step is refused, this is why:" >&2
  echo "$changed" >&2
fi
if [ -n "$closed" ]; then
  echo "ci-images: $title has closed the bake's way into the machine: $closed. The next step could not log in." >&2
  if [ "$status" -eq 0 ]; then status=1; fi
elif [ "$status" -eq 0 ]; then
  return 0
fi
{
  if { [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; } && ((SECONDS - began >= seconds)); then
    echo "ci-images: $title was ended after its time limit of $seconds seconds. $timeout_cure"
  else
    where=
    code=$status
    {
      read -r line code || true
      IFS= read -r command || true
    } <"$work/failure"
    if [[ -n $line && $command != "("* ]]; then where=" at line $line of its script: ${command:0:300}"; else code=$status; fi
    echo "ci-images: $title failed with exit status $code$where"
    failed_units
  fi
  echo "$failure_cure"
} | "${filter[@]}" >&2
return "$status"
