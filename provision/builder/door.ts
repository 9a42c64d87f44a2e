// The bake's own SSH server on a builder, with its own port, configuration, accounts and keys, so that nothing a recipe
// does to logins can lock out the next step. systemd holds the port and starts sshd for each connection in a private
// view of the machine (view.sh); the session then enters the machine itself (enter.sh). The files are in /etc, to
// survive reboots; sealing removes them.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { scriptFile } from "../shell/script-file.ts";
import { feed, quote } from "../shell/shell.ts";

/** The TCP port: above the range for outgoing connections, and unassigned by IANA. */
export const doorPort = 61022;

/** The account that the bake logs in to. */
export const doorUser = "root";

/** Its folder on the builder. */
export const doorFolder = "/etc/ci-images-builder";

/** The unit that holds the port. */
export const doorSocket = "ci-images-builder-sshd.socket";

/**
 * Bash around a step of a bake; `account` is the bake's login account. `door_before` records how the bake logged in:
 * through its own port, or by ordinary SSH. `door_after` opens the bake's port again if the step has closed it, and
 * prints the problem if the next step could not log in. `door_changes` prints what the step has changed about ordinary
 * SSH, if the bake depends on that.
 */
export const doorFunctions = `\
${scriptFile(new URL("./door/logins.sh", import.meta.url))}\
door_answers() {
  local banner=
  {
    if exec {door}<>"/dev/tcp/127.0.0.1/$1"; then
      IFS= read -r -t 20 -u "$door" banner || true
      exec {door}>&-
    fi
  } 2>/dev/null
  [[ $banner == SSH-* ]]
}
door_before() {
  door_port=
  if [ -z "$ordinary" ] && [ -e ${doorFolder}/keep-open ]; then door_port=${doorPort}; elif door_answers 22; then door_port=22; fi
  if [ "$door_port" = 22 ]; then door_facts=$(login_facts "$account" 2>/dev/null) || true; fi
}
door_changes() {
  if [ "$door_port" = 22 ]; then login_changes "$door_facts" "$(login_facts "$account" 2>/dev/null)" || true; fi
}
door_after() {
  local said
  if [ -z "$door_port" ]; then return; fi
  if [ "$door_port" = ${doorPort} ]; then
    if [ ! -e ${doorFolder}/keep-open ]; then echo "${doorFolder} is gone"; return; fi
    if ! said=$(sh ${doorFolder}/keep-open </dev/null 2>&1); then echo "it could not be opened again: $said"; return; fi
  fi
  if ! door_answers "$door_port"; then echo "nobody answers at port $door_port any more"; fi
}
`;

/** The parameters of the bake's SSH server. */
export interface Door {
  /** The ed25519 host key, OpenSSH format. */
  hostPrivateKey: string;
  /** The key that may log in: an authorized_keys line. */
  authorizedKey: string;
  /** People log in by this name, and get a session of that account instead of root's. */
  loginUser: string;
}

/** Reads a script, without comments, because user data is limited to 16 KiB on ec2. */
const read = (name: string) =>
  readFileSync(new URL(`door/${name}.sh`, import.meta.url), "utf8")
    .replaceAll("@PORT@", String(doorPort))
    .replaceAll(/^\s*#(?!!).*\n/gm, "");

/**
 * The units start early in the boot, and survive the isolation of a target: even in emergency mode they should work.
 */
const unit = (description: string) => `[Unit]
Description=ci-images: ${description}
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
IgnoreOnIsolate=yes
`;

const units: Readonly<Record<string, string>> = {
  [doorSocket]: `${unit("the bake's own way in")}
[Socket]
ListenStream=${doorPort}
BindIPv6Only=both
Accept=yes
`,
  // A broken connection is not a failed unit. Processes that a module leaves running, or loses to the OOM killer, must
  // not end the others.
  "ci-images-builder-sshd@.service": `${unit("a connection of the bake")}
[Service]
ExecStart=-/bin/sh ${doorFolder}/view
StandardInput=socket
StandardError=journal
KillMode=process
SELinuxContext=-unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
MountFlags=slave
OOMPolicy=continue
TasksMax=infinity
`,
  "ci-images-builder-door.service": `${unit("keeps the bake's own way in open")}
[Service]
ExecStart=/bin/sh ${doorFolder}/keep-open watch
Restart=always
`,
};

/** The units that start at every boot. */
const wanted = Object.keys(units).filter((name) => !name.includes("@"));

function configuration(): string {
  return `HostKey ${doorFolder}/host_key
AuthorizedKeysFile ${doorFolder}/authorized_keys
StrictModes no
AuthenticationMethods publickey
PasswordAuthentication no
PermitRootLogin yes
MaxAuthTries 20
UsePAM no
UseDNS no
PermitUserRC no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
ForceCommand exec /bin/sh ${doorFolder}/enter
`;
}

/** Name, mode and content of every file below {@link doorFolder}. */
function files({ hostPrivateKey, authorizedKey, loginUser }: Door): [string, string, string][] {
  const names = [...new Set(["root", loginUser])];
  const home = `${doorFolder}/home`;
  const accounts = [
    ...names.map((name) => `${name}:x:0:0::${home}:/bin/sh`),
    "sshd:x:65533:65533::/nonexistent:/bin/false",
  ];
  const passwords = [...names, "sshd"].map((name) => `${name}:*:19000::::::`);
  const lines = (...all: string[]) => all.map((line) => `${line.trim()}\n`).join("");
  return [
    ["host_key", "0600", lines(hostPrivateKey)],
    ["authorized_keys", "0600", lines(authorizedKey)],
    ["sshd_config", "0600", configuration()],
    ["passwd", "0644", lines(...accounts)],
    ["shadow", "0600", lines(...passwords)],
    ["group", "0644", lines("root:x:0:", "tty:x:5:", "sshd:x:65533:")],
    ["nsswitch.conf", "0644", lines("passwd: files", "group: files", "shadow: files", "hosts: files")],
    ["empty", "0644", ""],
    ["view", "0644", read("view")],
    ["enter", "0644", read("enter")],
    ["person", "0644", read("person")],
    ["keep-open", "0644", read("keep-open")],
  ];
}

/** Every file that {@link doorScript} writes. */
export const doorFiles: readonly string[] = [
  ...files({ hostPrivateKey: "", authorizedKey: "", loginUser: "" }).map(([name]) => `${doorFolder}/${name}`),
  ...Object.keys(units).map((name) => `/etc/systemd/system/${name}`),
  ...wanted.map((name) => `/etc/systemd/system/sysinit.target.wants/${name}`),
];

/**
 * A command for `sh` that installs the bake's SSH server on a machine with systemd, where it then starts at every boot.
 * @returns text with the private key: a secret.
 */
export function doorScript(door: Door): string {
  const links = wanted.map((name) => quote(`../${name}`)).join(" ");
  const all = [
    ...files(door).map(([name, mode, content]) => [`${doorFolder}/${name}`, mode, content] as const),
    ...Object.entries(units).map(([name, content]) => [`/etc/systemd/system/${name}`, "0644", content] as const),
  ];
  const ofMode = (mode: string) => all.flatMap(([path, its]) => (its === mode ? [path] : [])).join(" ");
  // One program writes all files: on emulated hardware each takes a twentieth of a second to start.
  const commands = [
    `mkdir -p ${doorFolder}/home /etc/systemd/system/sysinit.target.wants`,
    `chmod 0700 ${doorFolder}`,
    `awk '/^== / { file = $2; printf "" >file; next } { print >file }' ${feed(all.map(([path, , content]) => `== ${path}\n${content}`).join(""))}`,
    ...["0600", "0644"].map((mode) => `chmod ${mode} ${ofMode(mode)}`),
    `ln -s -f ${links} /etc/systemd/system/sysinit.target.wants/`,
  ];
  // Not `set -e`, which has no effect if the caller tests the result.
  return `(umask 022\n${commands.map((command) => `{ ${command}\n}`).join(" &&\n")})`;
}

/**
 * A script for `sh` that installs the bake's SSH server during a machine's first boot; later boots start it by
 * themselves. It waits for no systemd job, so it may run before sysinit.target. Skips machines without systemd, and
 * kernels before 3.18 (CentOS 7), which can't replace a file that is a mount point in another namespace, as /etc/passwd
 * is during a connection.
 * @returns text with the private key: a secret.
 */
export function doorBootScript(door: Door): string {
  const script = doorScript(door);
  const version = createHash("sha256").update(script).digest("hex").slice(0, 16);
  const names = [
    ...Object.keys(units).map((name) => `/etc/systemd/system/${name}`),
    ...wanted.map((name) => `/etc/systemd/system/sysinit.target.wants/${name}`),
  ];
  // No daemon-reload: systemd reads a new unit when it is started.
  return `\
if [ -d /run/systemd/system ] && command -v nsenter >/dev/null && case $(uname -r) in [12].* | 3.?.* | 3.1[0-7].*) false ;; esac; then
if ! grep -qsx ${version} ${doorFolder}/version; then
${script} && systemctl --no-block start ${wanted.join(" ")} && echo ${version} >${doorFolder}/version || {
rm -rf ${doorFolder} ${names.join(" ")}
false
}
fi
fi || echo "ci-images: this machine has no way in of the bake's own" >&2
`;
}
