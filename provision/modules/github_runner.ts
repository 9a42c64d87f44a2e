// Installs GitHub's Actions runner for a self-hosted worker. The image holds no registration, and the service is
// disabled. A worker registers itself at its first boot with one line of its user data (cloud-config), with a GitHub
// token (Settings > Actions > Runners, or the REST API's registration-token):
//
//     runcmd: ["echo TOKEN | register-github-runner --url https://github.com/my-org --ephemeral"]
//
// More options of the runner's config.sh can follow the address (--labels, --name, --runnergroup, --ephemeral). The
// sha256 of a version is in its release notes. Registration needs GitHub, so it was tested only with a simulated
// runner.
import { addAccount, addService, groupsSetting, type Agent } from "./shared/agent.ts";
import { downloadSettings, installScript, type DownloadSettings } from "./shared/download.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs GitHub's Actions runner, disabled until it is registered";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["version", "sha256"],
  examples: [{ version: "2.321.0", sha256: downloadSettings.sha256.examples[0], groups: ["docker"] }],
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$",
      description:
        "The runner's version. GitHub refuses versions that are some months old, but runners update themselves.",
      examples: ["2.321.0"],
    },
    groups: groupsSetting,
    ...downloadSettings,
  },
};

/** The settings under `github_runner`. */
interface Settings extends DownloadSettings {
  version: string;
  groups?: string[];
}

// Sealing looks for a leftover registration in a folder of this name under the account's home.
const home = "/var/lib/github-runner";
const folder = `${home}/actions-runner`;

/**
 * Records the runner.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, sha256, architecture = "x86_64", url, groups = [] } = cfg.github_runner as Settings;
  const release = `actions-runner-linux-${architecture === "x86_64" ? "x64" : "arm64"}-${version}.tar.gz`;
  const download = {
    url: url ?? `https://github.com/actions/runner/releases/download/v${version}/${release}`,
    sha256,
  };
  const agent = agentWith(groups);
  addAccount(name, root, agent);
  // Dependencies of its .NET (bin/installdependencies.sh of the runner). The ICU package has the version in its name.
  root.packages({
    apt: ["libkrb5-3", "zlib1g", "libstdc++6", "libicu[0-9]+$"],
    dnf: ["krb5-libs", "zlib", "openssl-libs", "libicu"],
  });
  root.run(`\
${installScript({ folder, architecture, download, unpack: `tar --extract --file="$work/archive" --no-same-owner --directory="$folder"` })}
# As the runner's svc.sh does it: updates of the runner replace bin, but not this.
cp "$folder/bin/runsvc.sh" "$folder/runsvc.sh"
chmod 0755 "$folder/runsvc.sh"
chown -R ${agent.name}:${agent.name} "$folder"`);
  root.check(
    `GitHub's runner is version ${version}`,
    `[ "$(cd / && runuser -u ${agent.name} -- ${folder}/config.sh --version)" = ${quote(version)} ]`,
  );
  addService(root, agent);
}

function agentWith(groups: readonly string[]): Agent {
  const name = "github-runner";
  return {
    name,
    title: "GitHub Actions runner",
    home,
    groups,
    registration: `${folder}/.runner`,
    // From bin/actions.runner.service.template of the runner. A runner for one job (--ephemeral) exits cleanly, so it
    // is not restarted.
    service: `User=${name}
WorkingDirectory=${folder}
ExecStart=${folder}/runsvc.sh
KillMode=process
KillSignal=SIGTERM
TimeoutStopSec=5min
Restart=on-failure
RestartSec=5s`,
    usage: "--url https://github.com/ORGANIZATION [option of config.sh ...]",
    // The token is in the environment: on a command line, other users could see it.
    register: `\
cd ${folder}
export ACTIONS_RUNNER_INPUT_TOKEN=$token HOME=${home}
runuser -u ${name} -- ./config.sh --unattended --replace "$@"
unset ACTIONS_RUNNER_INPUT_TOKEN`,
  };
}
