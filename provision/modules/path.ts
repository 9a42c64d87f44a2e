// Puts folders first in PATH for all users: login shells, SSH commands, sudo, cron, and the services and agents that
// systemd starts. Programs that a job installs to /usr/local/bin then take precedence over the distribution's.
import { environmentFunctions } from "./shared/environment.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { requireSystemd } from "./shared/units.ts";

export const description = "Puts /usr/local/bin, or other folders, first in PATH";

export const settings = {
  type: "array",
  minItems: 1,
  uniqueItems: true,
  // No colon, which separates folders, and no characters that are special to sudoers, systemd, PAM or a shell.
  items: { type: "string", pattern: "^/[A-Za-z0-9._/+-]*[A-Za-z0-9._+-]$" },
  default: ["/usr/local/bin"],
  description:
    "The folders, in order of precedence. They need not exist yet. In login shells, a user's own `~/bin` and `~/.local/bin` may come before them.",
  examples: [["/usr/local/bin"], ["/opt/tools/bin", "/usr/local/bin"]],
};

/** The PATH of every distribution, in Debian's order. */
const system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Records PATH everywhere it is set. Module sudo, if used as well, lets sudo keep the caller's PATH.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const folders = settingsOf<string[]>(cfg, "path", ["/usr/local/bin"]);
  const path = [...new Set([...folders, ...system])].join(":");
  root.packages(["sudo"]);
  // The last file there. Folders that a user has appended to PATH stay at its end.
  root.file("/etc/profile.d/zz-ci-path.sh", profile(folders));
  root.run(`${environmentFunctions}\nset_variable PATH ${quote(path)}`);
  // Before 10-ci-worker of module sudo, which takes precedence if present.
  root.file("/etc/sudoers.d/05-ci-path", `Defaults secure_path="${path}"\n`, { mode: "0440" });
  root.run("visudo --check --quiet");
  root.file("/etc/systemd/system.conf.d/10-ci-path.conf", `[Manager]\nDefaultEnvironment="PATH=${path}"\n`);
  root.run("systemctl daemon-reexec");
  check(root, folders, path);
}

function profile(folders: readonly string[]): string {
  return `# Written by ci-images: these folders come first, whatever else is in PATH, and once.
ci_path=$PATH
for ci_folder in ${[...folders].reverse().join(" ")}; do
  ci_path=$(printf '%s' "$ci_path" | tr ':' '\\n' | grep -vxF "$ci_folder" | tr '\\n' ':')
  ci_path=$ci_folder:\${ci_path%:}
done
PATH=$ci_path
export PATH
unset ci_path ci_folder
`;
}

function check(root: Root, folders: readonly string[], path: string): void {
  const user = quote(root.loginUser);
  const start = quote(folders.join(":"));
  const asked = `[[ "$seen" == ${start}:* || "$seen" == ${start} ]]`;
  const what = folders.join(":");
  root.check(
    `PATH of a login shell begins with ${what}`,
    `\
seen=$(env -i TERM=dumb su --login ${user} --command 'printf %s "$PATH"')
# Red Hat's ~/.bashrc puts ~/.local/bin and ~/bin in front of everything, Debian's ~/.profile does if they exist.
home=$(getent passwd ${user} | cut -d: -f6)
while [[ "$seen" == "$home"/*:* ]]; do seen=\${seen#*:}; done
[ -f /etc/profile.d/zz-ci-path.sh ] && ${asked}`,
  );
  root.check(`PATH of a session begins with ${what}`, `grep -qxF ${quote(`PATH=${path}`)} /etc/environment`);
  root.check(
    `PATH under sudo begins with ${what}`,
    `seen=$(runuser -u ${user} -- env PATH=${quote(path)} sudo -n printenv PATH)\nvisudo --check --quiet && [ -f /etc/sudoers.d/05-ci-path ] && ${asked}`,
  );
  root.check(
    `PATH of services begins with ${what}`,
    `seen=$(systemctl show-environment | sed -n 's/^PATH=//p')\n[ -f /etc/systemd/system.conf.d/10-ci-path.conf ] && ${asked}`,
  );
}
