// Adds users: people or services that log in to the workers, with sudo by default.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote, quoteAll } from "../shell/shell.ts";
import { keptKeysFile } from "../seal/kept.ts";

export const description = "Adds users, with sudo, groups and SSH keys";
export const settingsKey = "add_users";
export const settingsRequired = true;

/** A name that useradd accepts everywhere; no dots, as sudo skips files in sudoers.d with a dot in the name. */
const userName = { type: "string", pattern: "^[a-z_][a-z0-9_-]{0,30}$" };

export const settings = {
  type: "array",
  minItems: 1,
  description: "The users: a name alone, or a name with settings.",
  examples: [
    ["harlowja"],
    [
      {
        name: "builder",
        groups: ["docker"],
        sudo: false,
        ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample me"],
      },
    ],
  ],
  items: {
    anyOf: [
      { ...userName, description: "The user's name.", examples: ["harlowja"] },
      {
        type: "object",
        additionalProperties: false,
        required: ["name"],
        properties: {
          name: { ...userName, description: "The user's name.", examples: ["builder"] },
          groups: {
            type: "array",
            items: userName,
            default: [],
            description: "Additional groups of the user. Missing ones are created.",
            examples: [["docker"]],
          },
          sudo: {
            type: "boolean",
            default: true,
            description: "Whether the user can become root with sudo, without a password.",
            examples: [false],
          },
          ssh_keys: {
            type: "array",
            // One line, as written by ssh-keygen. No leading options: they could hide a command.
            items: { type: "string", pattern: "^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\\n]*)?$" },
            default: [],
            description: "Public keys that can log in as the user.",
            examples: [["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample me@example.com"]],
          },
          shell: {
            type: "string",
            pattern: "^/[A-Za-z0-9._/-]+$",
            default: "/bin/bash",
            description: "The login shell.",
            examples: ["/usr/sbin/nologin"],
          },
        },
      },
    ],
  },
};

/** One user of the setting `add_users`. */
export interface User {
  name: string;
  groups?: string[];
  sudo?: boolean;
  ssh_keys?: string[];
  shell?: string;
}

/**
 * Records the users.
 * @throws UserError if a user is listed twice, or is root.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const users = settingsOf<(string | User)[]>(cfg, settingsKey, []).map((user) =>
    typeof user === "string" ? { name: user } : user,
  );
  refuseStrangeLists(name, users);
  for (const user of users) addUser(root, user);
  root.run("visudo --check --quiet");
}

function refuseStrangeLists(name: string, users: User[]): void {
  users.forEach((user, index) => {
    const key = `${settingsKey}[${index}].name`;
    if (user.name === "root")
      throw new UserError({
        where: `module ${name}`,
        key,
        found: "root already exists",
        cure: "remove it from the list",
      });
    const first = users.findIndex((other) => other.name === user.name);
    if (first < index)
      throw new UserError({
        where: `module ${name}`,
        key,
        found: `the user "${user.name}" is in the list twice, first as ${settingsKey}[${first}]`,
        cure: "put all settings of a user into one entry",
      });
  });
}

function addUser(root: Root, { name, groups = [], sudo = true, ssh_keys: keys = [], shell = "/bin/bash" }: User): void {
  const user = quote(name);
  root.run(
    [
      ...groups.map((group) => `getent group ${quote(group)} >/dev/null || groupadd ${quote(group)}`),
      // A package may already have created a group with the user's name; useradd would refuse.
      `if ! id -u ${user} >/dev/null 2>&1; then`,
      `  if getent group ${user} >/dev/null; then useradd --create-home --gid ${user} ${user}; else useradd --create-home --user-group ${user}; fi`,
      `fi`,
      `usermod --shell ${quote(shell)} ${user}`,
      ...groups.map((group) => `usermod --append --groups ${quote(group)} ${user}`),
    ].join("\n"),
  );
  root.check(`the user ${name} exists`, `[ "$(getent passwd ${user} | cut -d: -f7)" = ${quote(shell)} ]`);
  for (const group of groups)
    root.check(`the user ${name} is in the group ${group}`, `id -nG ${user} | tr ' ' '\\n' | grep -qx ${quote(group)}`);
  if (sudo) allowSudo(root, name);
  if (keys.length > 0) allowKeys(root, name, keys);
}

function allowSudo(root: Root, name: string): void {
  root.packages(["sudo"]);
  root.file(`/etc/sudoers.d/60-user-${name}`, `${name} ALL=(ALL:ALL) NOPASSWD: ALL\n`, { mode: "0440" });
  root.check(`the user ${name} may become root by sudo`, `runuser -u ${quote(name)} -- sudo -n true`);
}

function allowKeys(root: Root, name: string, keys: string[]): void {
  const user = quote(name);
  const home = `$(getent passwd ${user} | cut -d: -f6)`;
  root.run(
    [
      `home=${home}`,
      `group=$(id -gn ${user})`,
      `install -d -m 0700 -o ${user} -g "$group" "$home/.ssh"`,
      // Append, never overwrite: the login user's file also has the bake's own key.
      `touch "$home/.ssh/authorized_keys" ${keptKeysFile}`,
      `for key in ${quoteAll(keys)}; do`,
      `  for file in "$home/.ssh/authorized_keys" ${keptKeysFile}; do`,
      `    grep --fixed-strings --line-regexp --quiet -- "$key" "$file" || printf '%s\\n' "$key" >>"$file"`,
      `  done`,
      `done`,
      `chmod 0600 "$home/.ssh/authorized_keys"`,
      `chown ${user}:"$group" "$home/.ssh/authorized_keys"`,
    ]
      .join("\n")
      .replace(/^/, `install -d ${keptKeysFile.replace(/\/[^/]*$/, "")}\n`),
  );
  root.check(
    `the keys of the user ${name} may log in`,
    `for key in ${quoteAll(keys)}; do grep --fixed-strings --line-regexp --quiet -- "$key" "${home}/.ssh/authorized_keys"; done`,
  );
}
