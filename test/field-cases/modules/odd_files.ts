// File names, types and attributes that an archive or a disk image could lose.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes files with unusual names, types, attributes and times";

export function modify(_name: string, root: Root): void {
  root.packages(["acl", "attr", "libcap2-bin"]);
  root.run(`
    rm -rf /opt/odd
    mkdir -p /opt/odd/empty
    cd /opt/odd
    touch -- $'line\\nbreak' '-rf' "it's" 'a b' $'\\xff\\xfe' 'ünïcödé' '#foo#.txt' '*' '\\\\back' "$(printf 'n%.0s' {1..255})"
    printf one >hard-1; ln hard-1 hard-2
    truncate -s 5G sparse; printf end >>sparse
    mkfifo fifo
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    ln -s "$(printf 'l%.0s' {1..200})" long-link
    ln -s /nowhere dangling
    install -m 4755 /bin/true setuid; install -m 2755 /bin/true setgid; mkdir -m 3777 sticky
    cp /bin/true capable; setcap cap_net_raw+ep capable
    touch listed; setfacl -m u:daemon:rw listed; mkdir listed-folder; setfacl -d -m g:games:rx listed-folder
    touch attributed; setfattr -n user.colour -v blue attributed; setfattr -n trusted.mark -v t attributed
    setfattr -n user.big -v "$(printf 'x%.0s' {1..3000})" attributed
    touch owned; chown 4000000000:3999999999 owned
    touch -d 1960-01-01T00:00:00Z old;
    mkdir -p deep/$(printf 'd/%.0s' {1..300})`);
  const check = (what: string, script: string) => root.check(`${what}`, `cd /opt/odd; ${script}`);
  check(
    "names are kept",
    `[ "$(ls -A | wc -l)" -ge 28 ]; [ -e $'line\\nbreak' ]; [ -e ./-rf ]; [ -e $'\\xff\\xfe' ]; [ -e "$(printf 'n%.0s' {1..255})" ]; [ -e '#foo#.txt' ]; [ -d empty ]`,
  );
  check("hard links are kept", `[ "$(stat -c %i hard-1)" = "$(stat -c %i hard-2)" ] && [ "$(stat -c %h hard-1)" = 2 ]`);
  check(
    "the sparse file stays sparse",
    `[ "$(stat -c %s sparse)" = 5368709123 ]; [ "$(tail -c 3 sparse)" = end ]; [ "$(du -k sparse | cut -f1)" -lt 1024 ]`,
  );
  check("fifo and socket are kept", `[ -p fifo ] && [ -S socket ]`);
  check(
    "symbolic links are kept",
    `[ "$(readlink long-link | wc -c)" = 201 ] && [ "$(readlink dangling)" = /nowhere ]`,
  );
  check("modes are kept", `[ "$(stat -c %a setuid setgid sticky | tr '\\n' ' ')" = "4755 2755 3777 " ]`);
  check("capabilities are kept", `getcap capable | grep -q cap_net_raw`);
  check(
    "access control lists are kept",
    `getfacl -c listed | grep -qx user:daemon:rw- && getfacl -c listed-folder | grep -q '^default:group:games:r-x'`,
  );
  check(
    "extended attributes are kept",
    `[ "$(getfattr --only-values -n user.colour attributed)" = blue ] && [ "$(getfattr --only-values -n trusted.mark attributed)" = t ] && [ "$(getfattr --only-values -n user.big attributed | wc -c)" = 3000 ]`,
  );
  check("owners are kept", `[ "$(stat -c %u:%g owned)" = 4000000000:3999999999 ]`);
  // mke2fs writes only whole seconds, and only times before 2038.
  check("modification times are kept", `[ "$(stat -c %Y old)" = -315619200 ]`);
  check("deep folders are kept", `[ "$(find deep -type d | wc -l)" = 301 ]`);
}
