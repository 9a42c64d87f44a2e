// The bash program around everything that runs on the builder. It is sent on standard input, which bash reads piece by
// piece: a child reading its own standard input would swallow the rest. So the whole program is one function, which
// bash has to read completely before the call, and which runs with empty standard input.
import { runFolder } from "./builder-folders.ts";
import { doorFunctions } from "./door.ts";
import type { Secrets } from "../recipe/secrets.ts";
import { feed, quote } from "../shell/shell.ts";

/** What to run, and what to say if it fails. */
export interface Program {
  /** What it is, for messages: `module nginx`. */
  title: string;
  /** Bash; runs as root under `bash -Eeuo pipefail`, `umask 022`. */
  script: string;
  /** Time limit in seconds: then TERM, and KILL 10 seconds later. */
  timeoutSeconds: number;
  /** The cure for a timeout, a sentence. */
  timeoutCure: string;
  /** The cure for a failure, a sentence. */
  failureCure: string;
  /**
   * Whether it waits for the machine to finish booting: SSH answers long before. A boot that ends in emergency or
   * rescue mode is an error.
   */
  awaitsBoot?: boolean;
  /** Whether another step follows, which must be able to log in. */
  keepsDoor?: boolean;
  /** Secrets that it may read from files; its output is masked. */
  secrets?: Secrets;
  /** More values to mask: an earlier module may have put them within its reach. */
  masked?: readonly string[];
}

/** The shell command that runs a program from its standard input as root, for any login account. */
export const runAsRoot = `[ "$(id -u)" = 0 ] && exec bash -s; exec sudo -n -H bash -s`;

/** The mark of a requested reboot: in memory, so that it is gone when the machine is back. */
export const rebootMark = `${runFolder}/rebooting`;

/** Renders a program, to be sent on the standard input of {@link runAsRoot}. */
export function renderProgram(program: Program): string {
  const { title, timeoutSeconds, secrets = {}, masked = [] } = program;
  const hidden = [...new Set([...Object.values(secrets), ...masked])];
  return `\
# ci-images: ${title.replaceAll("\n", " ")}
main() {
title=${quote(title)}
seconds=${timeoutSeconds}
failure_cure=${quote(program.failureCure)}
timeout_cure=${quote(program.timeoutCure)}
${program.keepsDoor ? origin : ""}
${preparation}
${program.awaitsBoot ? bootWait : ""}
${Object.keys(secrets).length > 0 ? placeSecrets(secrets) : ""}
${hidden.length > 0 ? maskOutput(hidden) : `filter=(cat)`}
cat >"$work/preamble" ${feed(preamble)}
cat >"$work/script" ${feed(program.script)}
${program.keepsDoor ? `${doorFunctions}\ndoor_before` : "door_after() { :; }"}
${execution}
}
main </dev/null; exit
`;
}

/** Set if the bake logged in by ordinary SSH rather than its own port: for `door_before`. */
const origin = "ordinary=${SUDO_USER-}${SSH_CONNECTION-}";

const preparation = `\
set -euo pipefail
umask 077
cd /
unset BASH_ENV SUDO_COMMAND SUDO_USER SUDO_UID SUDO_GID
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
# Not grep -q: it would end locale while that still writes, and a pipe that breaks counts as a failure here.
if locale -a 2>/dev/null | grep -ix 'c[.]utf-\\?8' >/dev/null; then export LC_ALL=C.UTF-8; else export LC_ALL=C; fi
state=${runFolder}
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
  read -r -a stat <<<"\${stat##*) }"
  echo "\${stat[19]}"
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
locked() { [ -e "$1" ] && grep ":$(stat -c %i "$1") " /proc/locks >/dev/null; }
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
: >"$work/failure"`;

/** Seconds that a boot may take; after that the step continues, as some unit may take forever to start. */
const bootSeconds = 300;

const bootWait = `\
if [ -d /run/systemd/system ] && [ ! -e "$state/booted" ]; then
  for ((i = 0; i < ${bootSeconds * 4}; i++)); do
    system=$(systemctl is-system-running 2>/dev/null || true)
    case $system in initializing | starting) sleep 0.25 ;; *) break ;; esac
  done
  if [ "$system" = maintenance ]; then
    echo "ci-images: the machine did not boot, it is in emergency or rescue mode. Failed units:" >&2
    systemctl list-units --failed --plain --no-legend >&2
    echo "Look for what the steps before this one changed: /etc/fstab, units, the default target. $failure_cure" >&2
    exit 1
  fi
  touch "$state/booted"
fi`;

// Read through BASH_ENV, so that line numbers are the script's. The innermost failed command is the informative one;
// inside $(...) bash continues after an error (no "e" in $-), so nothing has failed there yet.
const preamble = `\
ci_images_failure=\${BASH_ENV%preamble}failure
unset BASH_ENV
trap '[[ $- != *e* || -s $ci_images_failure ]] || printf "%s\\n%s" "$LINENO" "$BASH_COMMAND" >"$ci_images_failure"' ERR
`;

// What the script leaves in the background may keep its output open forever. With our own pipes that can't block the
// connection.
const execution = `\
# "systemctl start" does not say why a unit failed. Those that have been silent since the step began failed before it.
failed_units() {
  local unit said
  { systemctl list-units --failed --plain --no-legend || true; } 2>/dev/null | while read -r unit _; do
    said=$(journalctl --quiet --no-pager --output=cat --lines=5 --since="@$began_at" "_SYSTEMD_UNIT=$unit" 2>/dev/null || true)
    if [ -n "$said" ]; then printf '%s\\n' "$unit has failed, its last lines:" "$said"; fi
  done
}
set -m
mkfifo "$work/out" "$work/err"
"\${filter[@]}" <"$work/out" &
out_filter=$!
"\${filter[@]}" <"$work/err" >&2 &
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
    {
      read -r line || true
      IFS= read -r command || true
    } <"$work/failure"
    if [[ -n $line && $command != "("* ]]; then where=" at line $line of its script: \${command:0:300}"; fi
    echo "ci-images: $title failed with exit status $status$where"
    failed_units
  fi
  echo "$failure_cure"
} | "\${filter[@]}" >&2
return "$status"`;

function placeSecrets(secrets: Secrets): string {
  const files = Object.entries(secrets).map(([name, value]) => {
    // printf is a bash builtin: the value is on no command line.
    return `printf '%s' ${quote(value)} >"$state/secrets/${name}"`;
  });
  return `\
install -d -m 0700 "$state/secrets"
${files.join("\n")}`;
}

function maskOutput(values: readonly string[]): string {
  return `\
cat >"$work/mask" ${feed(maskProgram(values))}
filter=(env LC_ALL=C sed -u -f "$work/mask")`;
}

/**
 * A sed program that replaces secret values by `***`. sed sees one line at a time, so each line of a value is masked
 * separately; for a value of several lines, lines under 4 letters are skipped, or every `}` would be masked.
 */
export function maskProgram(values: readonly string[]): string {
  const lines = values.flatMap((value) => {
    const all = value.split(/\r?\n/).map((line) => line.trim());
    return all.length === 1 ? all : all.filter((line) => line.length >= 4);
  });
  const longestFirst = [...new Set(lines)].filter(Boolean).sort((a, b) => b.length - a.length);
  return longestFirst.map((line) => `s/${line.replaceAll(/[\\/.*[\]^$]/g, "\\$&")}/***/g\n`).join("");
}
