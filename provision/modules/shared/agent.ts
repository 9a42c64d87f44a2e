// Shared by the modules github_runner, gitlab_runner and buildkite_agent. Installs a CI agent's account, its service,
// and a command that registers it on the worker. The image holds no token, so the service is disabled until then.
import { requireCurl } from "./download.ts";
import type { Root } from "../../module.ts";
import { quote } from "../../shell/shell.ts";
import { putUnit, requireSystemd } from "./units.ts";

/** A CI agent. */
export interface Agent {
  /** The name of its account and service: `gitlab-runner`. */
  name: string;
  /** Its name for people: `GitLab Runner`. */
  title: string;
  /** The account's home, absolute. */
  home: string;
  /** Additional groups of the account: `docker`. */
  groups: readonly string[];
  /** The file that exists once it is registered. */
  registration: string;
  /** The unit's lines under `[Service]`. */
  service: string;
  /** Usage of the registration command: `--url URL [option ...]`. */
  usage: string;
  /** Bash of the registration command: the token is in `token`, the arguments are in "$@". */
  register: string;
}

/** The setting `groups` that every agent has. */
export const groupsSetting = {
  type: "array",
  items: { type: "string", pattern: "^[a-z_][a-z0-9_-]{0,30}$" },
  default: [],
  description: "Additional groups of the agent's account. Missing ones are created.",
  examples: [["docker"]],
};

/**
 * Records the account, before anything is installed into its home.
 * @param name The module's name in the recipe.
 * @throws UserError on a distribution without systemd.
 */
export function addAccount(name: string, root: Root, agent: Agent): void {
  requireSystemd(name, root);
  requireCurl(root);
  const user = quote(agent.name);
  root.run(
    [
      // No skeleton files: a .bash_logout that clears the screen makes GitLab Runner jobs fail.
      `id -u ${user} >/dev/null 2>&1 || useradd --system --user-group --shell /bin/bash --home-dir ${quote(agent.home)} --no-create-home ${user}`,
      `install -d -m 0750 -o ${user} -g ${user} ${quote(agent.home)}`,
      ...agent.groups.flatMap((group) => [
        `getent group ${quote(group)} >/dev/null || groupadd ${quote(group)}`,
        `usermod --append --groups ${quote(group)} ${user}`,
      ]),
    ].join("\n"),
  );
  for (const group of agent.groups)
    root.check(
      `the user ${agent.name} is in the group ${group}`,
      `id -nG ${user} | tr ' ' '\\n' | grep -qx ${quote(group)}`,
    );
}

/** Records the service and the registration command, after the agent itself. */
export function addService(root: Root, agent: Agent): void {
  const unit = `${agent.name}.service`;
  const command = `register-${agent.name}`;
  putUnit(
    root,
    unit,
    `[Unit]
Description=${agent.title}
Wants=network-online.target
After=network-online.target
ConditionPathExists=${agent.registration}

[Service]
${agent.service}

[Install]
WantedBy=multi-user.target
`,
  );
  root.file(`/usr/local/sbin/${command}`, registerScript(agent, command, unit), { mode: "0755" });
  root.check(
    `${agent.title} is installed, and disabled until it is registered`,
    // A missing unit is neither.
    `[ "$(systemctl is-enabled ${unit} || true)" = disabled ] && ! systemctl --quiet is-active ${unit} && [ ! -e ${quote(agent.registration)} ]`,
  );
  root.check(
    `${command} says how it is used`,
    `[ "$(id -un ${quote(agent.name)})" = ${quote(agent.name)} ] && ${command} --help | grep -q '^usage: .*${command}'`,
  );
}

function registerScript({ title, usage, register }: Agent, command: string, unit: string): string {
  return `#!/bin/bash
# Registers ${title} with the token on standard input, and starts it now and at every boot.
set -euo pipefail
if [ "\${1:-}" = --help ]; then
  echo ${quote(`usage: echo TOKEN | ${command} ${usage}`)}
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "${command}: it starts a service, so it has to be run as root" >&2
  exit 1
fi
token=
if [ ! -t 0 ]; then IFS= read -r token || true; fi
if [ -z "$token" ]; then
  echo ${quote(`${command}: no token on standard input; usage: echo TOKEN | ${command} ${usage}`)} >&2
  exit 2
fi
${register}
systemctl enable --now ${unit}
`;
}
