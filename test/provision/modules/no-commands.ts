// Runs scripts in a world without commands, to see what bash itself makes of them: whatever it takes for a command does nothing. Texts that
// are more than texts to it show themselves by a redirection, which needs no command: `$(>escaped)`.
import { execa } from "execa";
import { feed } from "../../../provision/shell/shell.ts";

// Not root: be root in a user namespace of one's own.
const unshare = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];

// An empty root with nothing but bash in it. /proc is for /dev/fd, which `< <(...)` goes by.
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
 * @param groups Scripts, in groups.
 * @returns which groups made a file `escaped` in their working folder, by their index.
 */
export async function runWithoutCommands(groups: readonly (readonly string[])[]): Promise<number[]> {
  const input = groups.flatMap((scripts, index) => scripts.map((script) => `try ${index} ${feed(`${script}\n`)}\n`));
  const { stdout } = await execa("unshare", [...unshare, "bash", "-c", world], {
    input: `${runner}${input.join("")}echo done`,
  });
  const lines = stdout.split("\n");
  // What did not get to its end has shown nothing.
  if (lines.pop() !== "done") throw new Error(`the scripts did not run to their end:\n${stdout}`);
  return [...new Set(lines.map(Number))].sort((a, b) => a - b);
}

// Once all commands do well, once all fail: so both ways of a condition are gone. A script goes on after an error and an `exit`, for what
// comes then has to be looked at, too. `cd` stays where it is: "escaped" has to be found.
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
    # A loop that waits for a command to do well has no end here.
    ( ulimit -t 2; eval "$text" ) >/dev/null 2>&1 </dev/null
    if [ -e escaped ]; then
      echo "$1"
      /usr/bin/rm -f escaped
    fi
  done
}
`;
