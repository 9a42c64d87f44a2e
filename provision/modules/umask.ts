// Sets the umask of all logins, because packages built under another umask have wrong file modes.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Sets the umask of login shells and SSH commands";

export const settings = {
  type: "string",
  pattern: "^0?[0-7]{3}$",
  default: "022",
  description: "The umask, octal, in quotation marks (YAML would read a bare 022 as a number).",
  examples: ["022", "0027"],
};

/** Records the umask everywhere it is set. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const umask = settingsOf(cfg, "umask", "022").slice(-3);
  const user = quote(root.loginUser);
  root.run(
    [
      // UMASK is for programs that read login.defs, such as useradd (modes of new homes follow HOME_MODE if set).
      `if grep -q '^UMASK' /etc/login.defs; then sed -i -E 's/^UMASK\\s.*/UMASK\\t\\t${umask}/' /etc/login.defs`,
      `else printf 'UMASK\\t\\t${umask}\\n' >>/etc/login.defs; fi`,
      `printf 'umask ${umask}\\n' >/etc/profile.d/zz-umask.sh`,
      // Red Hat's own files change it to 002 for users with their own group.
      `for file in /etc/profile /etc/bashrc; do`,
      `  if [ -f "$file" ]; then sed -i -E 's/^(\\s*)umask 0?[0-7]{3}$/\\1umask ${umask}/' "$file"; fi`,
      `done`,
      `home=$(getent passwd ${user} | cut -d: -f6)`,
      `for file in "$home/.profile" "$home/.bash_profile" "$home/.bashrc"; do`,
      `  if [ -f "$file" ]; then sed -i '/^umask /d' "$file"; printf 'umask ${umask}\\n' >>"$file"; fi`,
      `done`,
    ].join("\n"),
  );
  if (root.distribution.family === "debian") debianPam(root, umask);
  else redhatPam(root, umask);
  // Start with another umask, to detect a place that merely inherits it.
  root.check(
    `umask is 0${umask} in a login shell`,
    `[ "$(umask 077; su --login ${user} --command umask)" = 0${umask} ]`,
    { independent: true },
  );
  root.check(
    `umask is 0${umask} in a command without a login shell`,
    `[ "$(umask 077; su ${user} --shell /bin/bash --command umask)" = 0${umask} ]`,
    { independent: true },
  );
  root.check(
    "sshd sets the umask for what it starts",
    `cat /etc/pam.d/sshd /etc/pam.d/common-session 2>/dev/null | grep -Eq '^session\\s+optional\\s+pam_umask\\.so umask=0${umask}'`,
    { independent: true },
  );
}

/** `nousergroups`: otherwise pam_umask gives users with their own group 002 (USERGROUPS_ENAB). */
function pamLine(umask: string): string {
  return `optional\tpam_umask.so umask=0${umask} nousergroups`;
}

/** Debian's own way to change PAM, which survives updates of other PAM packages. */
function debianPam(root: Root, umask: string): void {
  const profile = [
    "Name: umask of the CI worker",
    "Default: yes",
    "Priority: 0",
    "Session-Type: Additional",
    "Session:",
  ];
  root.file("/usr/share/pam-configs/ci-images-umask", `${profile.join("\n")}\n\t${pamLine(umask)}\n`);
  root.run("DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable ci-images-umask");
}

/** Each service gets the line, because authselect would overwrite Red Hat's common session file. */
function redhatPam(root: Root, umask: string): void {
  root.run(
    [
      `for file in /etc/pam.d/sshd /etc/pam.d/login /etc/pam.d/su /etc/pam.d/su-l /etc/pam.d/crond; do`,
      `  if [ -f "$file" ]; then sed -i '/pam_umask\\.so/d' "$file"; printf 'session\\t${pamLine(umask)}\\n' >>"$file"; fi`,
      `done`,
    ].join("\n"),
  );
}
