// Runs scripts without any commands, to see how bash itself interprets them. Texts that escape their quotes show up by
// a redirection, which needs no command: `$(>escaped)`.
import { execa } from "execa";
import { feed } from "../../../provision/shell/shell.ts";

// An ordinary user becomes root in a user namespace.
const unshare = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];

// A root file system with nothing but bash. /proc provides /dev/fd, which `< <(...)` needs.
const world = `\
set -eu
mount -t tmpfs tmpfs /mnt
cd /mnt
mkdir usr proc dev etc run tmp var
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount --rbind /proc proc
ln -s usr/bin bin; ln -s usr/lib lib; ln -s usr/lib64 lib64
touch dev/null
mount --bind /dev/null dev/null
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
exec env -i "$(command -v chroot)" /mnt /usr/bin/bash -s
`;

/**
 * Runs groups of scripts.
 * @returns indexes of the groups that created a file `escaped` in their working folder.
 */
export async function runWithoutCommands(groups: readonly (readonly string[])[]): Promise<number[]> {
  const input = groups.flatMap((scripts, index) => scripts.map((script) => `try ${index} ${feed(`${script}\n`)}\n`));
  const { stdout } = await execa("unshare", [...unshare, "bash", "-c", world], {
    input: `${runner}${input.join("")}echo done`,
  });
  const lines = stdout.split("\n");
  // An aborted run proves nothing.
  if (lines.pop() !== "done") throw new Error(`the scripts did not run to their end:\n${stdout}`);
  return [...new Set(lines.map(Number))].sort((a, b) => a - b);
}

// Runs each script twice: once all commands succeed, once all fail, to cover both branches of conditions. Scripts
// continue after errors and `exit`, to cover the rest too. `cd` does nothing, so that `escaped` is found.
const runner = `\
PATH=/nowhere
status=0
command_not_found_handle() { return "$status"; }
exit() { return 0; }
set() { return 0; }
cd() { return 0; }
exec() { return 0; }
.() { return 0; }
trap() { return 0; }
wait() { return 0; }
try() {
  local text= line
  while IFS= read -r line; do text+=$line$'\\n'; done
  for status in 0 1; do
    # A loop that waits for a command to succeed would never end.
    ( ulimit -t 2; eval "$text" ) >/dev/null 2>&1 </dev/null
    if [ -e escaped ]; then
      echo "$1"
      /usr/bin/rm -f escaped
    fi
  done
}
`;
