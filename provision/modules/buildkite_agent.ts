// Installs the Buildkite agent. The image holds no token, and the service is disabled. A worker registers itself at its
// first boot with one line of its user data (cloud-config), with an agent token of the cluster:
//
//     runcmd: ["echo TOKEN | register-buildkite-agent queue=default,os=linux"]
//
// The command's argument is the agent's tags, separated by commas; it is optional. More settings go into
// /etc/buildkite-agent/buildkite-agent.cfg and hooks into /etc/buildkite-agent/hooks (module files). The sha256 of a
// version is in buildkite-agent-VERSION.SHA256SUMS of its release. Jobs come from Buildkite, so the service was tested
// only with a simulated agent.
import { addAccount, addService, groupsSetting, type Agent } from "./shared/agent.ts";
import { downloadSettings, installScript, type DownloadSettings } from "./shared/download.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs the Buildkite agent, disabled until it has a token";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["version", "sha256"],
  examples: [{ version: "3.87.1", sha256: downloadSettings.sha256.examples[0], groups: ["docker"] }],
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$",
      description: "The agent's version.",
      examples: ["3.87.1"],
    },
    groups: groupsSetting,
    ...downloadSettings,
  },
};

/** The settings under `buildkite_agent`. */
interface Settings extends DownloadSettings {
  version: string;
  groups?: string[];
}

const home = "/var/lib/buildkite-agent";
const etc = "/etc/buildkite-agent";

/**
 * Records the agent.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, sha256, architecture = "x86_64", url, groups = [] } = cfg.buildkite_agent as Settings;
  const file = `buildkite-agent-linux-${architecture === "x86_64" ? "amd64" : "arm64"}-${version}.tar.gz`;
  const download = {
    url: url ?? `https://github.com/buildkite/agent/releases/download/v${version}/${file}`,
    sha256,
  };
  const agent = agentWith(groups);
  addAccount(name, root, agent);
  root.packages(["git"]);
  root.run(`\
${installScript({ folder: `/opt/buildkite-agent/${version}`, architecture, download, unpack: `tar --extract --file="$work/archive" --no-same-owner --directory="$folder"` })}
ln -s -f -n "$folder/buildkite-agent" /usr/local/bin/buildkite-agent
install -d -m 0755 ${etc} ${etc}/hooks`);
  root.file(
    `${etc}/buildkite-agent.cfg`,
    `name="%hostname-%spawn"\nbuild-path="${home}/builds"\nhooks-path="${etc}/hooks"\nplugins-path="${home}/plugins"\n`,
  );
  root.check(
    `the Buildkite agent is version ${version}`,
    `buildkite-agent --version | grep -Eq ${quote(`version ${version.replaceAll(".", "\\.")}([^0-9.]|$)`)}`,
  );
  addService(root, agent);
}

function agentWith(groups: readonly string[]): Agent {
  const name = "buildkite-agent";
  return {
    name,
    title: "Buildkite agent",
    home,
    groups,
    // Sealing removes a leftover token.
    registration: `${etc}/token`,
    service: `User=${name}
Environment=HOME=${home}
EnvironmentFile=${etc}/token
ExecStart=/usr/local/bin/buildkite-agent start --config ${etc}/buildkite-agent.cfg
Restart=on-failure
RestartSec=5
TimeoutStopSec=5min
KillMode=mixed`,
    usage: "[tag=value,...]",
    // systemd reads the file as root, and interprets quotation marks and backslashes in it.
    register: `\
if [[ ! $token =~ ^[A-Za-z0-9_.-]+$ ]]; then echo "what is on standard input is no token" >&2; exit 2; fi
if [[ \${1:-} == *[\\"\\\\\\$\\\`]* || \${1:-} == *$'\\n'* ]]; then echo "tags have the form queue=default,os=linux" >&2; exit 2; fi
(
  umask 077
  printf 'BUILDKITE_AGENT_TOKEN=%s\\nBUILDKITE_AGENT_TAGS="%s"\\n' "$token" "\${1:-}" >${etc}/token.new
)
mv ${etc}/token.new ${etc}/token`,
  };
}
