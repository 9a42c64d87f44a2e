# The acceptance tests. A call is `check NUMBER TITLE SECONDS SCRIPT`, or `beside` for one that may run beside its neighbours.
passed=0
failed=0
folder=$(mktemp -d @RUN_FOLDER@/tests.XXXXXX)
trap 'rm -rf "$folder"' EXIT
queue=()

# Runs one check, and prints its verdict.
run() {
  local status=0 note='' own=$folder/$1 began=$SECONDS
  printf '%s' "$4" >"$own.script"
  # Not pipefail: whoever stops reading at the first match (grep -q) may end the program that still writes, and by chance the check.
  timeout --kill-after=5 "$3" bash -eu "$own.script" >"$own.output" 2>&1 </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    if [ -s "$own.output" ]; then
      note=$(sed -n '/^@FINDING@/{s///;h;};${x;p;}' "$own.output")
      : >"$own.output"
    fi
    note=${note:0:300}
    echo "ok - $2${note:+: $note}"
    return
  fi
  note="exit status $status"
  if { [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; } && ((SECONDS - began >= $3)); then
    note="ended after its time limit of $3 seconds"
  fi
  echo "not ok - $2 ($note)"
  tail -n 20 "$own.output" | cut -c 1-500 | sed 's/^/    /'
  : >"$own.output"
  return 1
}

count() {
  if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

check() {
  local status=0
  finish
  run "$@" || status=$?
  count "$status"
}

beside() { queue+=("$@"); }

# Takes checks from the queue that the other lane has not taken; writes the verdict of each to a file, and then its status.
lane() {
  local at status
  for ((at = 0; at < ${#queue[@]}; at += 4)); do
    set -C
    status=0
    { : >"$folder/${queue[at]}.taken"; } 2>/dev/null || status=$?
    set +C
    if [ "$status" -ne 0 ]; then continue; fi
    run "${queue[@]:at:4}" >"$folder/${queue[at]}.verdict" || status=$?
    echo "$status" >"$folder/${queue[at]}.status"
  done
}

# Runs what `beside` has queued, in two lanes if there are two processors, and prints the verdicts in their order.
finish() {
  local at status lines lanes=() idle
  if [ ${#queue[@]} -eq 0 ]; then return; fi
  if [ "$(nproc)" -gt 1 ]; then
    lane &
    lanes+=("$!")
    lane &
    lanes+=("$!")
    # Nothing is ever written to it: read waits without starting a program.
    exec {idle}<> <(:)
  fi
  for ((at = 0; at < ${#queue[@]}; at += 4)); do
    status=0
    if [ ${#lanes[@]} -eq 0 ]; then
      run "${queue[@]:at:4}" || status=$?
    else
      while [ ! -s "$folder/${queue[at]}.status" ] && { kill -0 "${lanes[0]}" || kill -0 "${lanes[1]}"; } 2>/dev/null; do
        read -r -t 0.1 -u "$idle" || true
      done
      # A lane that was killed leaves none.
      status=1
      lines=("not ok - ${queue[at + 1]} (its shell was killed)")
      if [ -s "$folder/${queue[at]}.status" ]; then
        read -r status <"$folder/${queue[at]}.status"
        mapfile -t lines <"$folder/${queue[at]}.verdict"
      fi
      printf '%s\n' "${lines[@]}"
    fi
    count "$status"
  done
  if [ ${#lanes[@]} -gt 0 ]; then exec {idle}<&-; fi
  queue=()
}

@CALLS@
finish
echo "$passed passed, $failed failed"
if [ "$failed" -gt 0 ]; then exit 1; fi
