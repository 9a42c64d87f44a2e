// Installs GitLab Runner. The image holds no registration, and the service is disabled. A worker registers itself at
// its first boot with one line of its user data (cloud-config), with a GitLab runner authentication token (glrt-...):
//
//     runcmd: ["echo TOKEN | register-gitlab-runner --url https://gitlab.com --executor shell"]
//
// More options of gitlab-runner register can follow the address (--executor docker --docker-image debian:12). The
// sha256 of a version is in release.sha256 of its release, on the line of binaries/gitlab-runner-linux-amd64.
// Registration needs GitLab, so it was tested only with a simulated runner.
import { addAccount, addService, groupsSetting, type Agent } from "./shared/agent.ts";
import { downloadSettings, installScript, type DownloadSettings } from "./shared/download.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs GitLab Runner, disabled until it is registered";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["version", "sha256"],
  examples: [{ version: "17.5.0", sha256: downloadSettings.sha256.examples[0], groups: ["docker"] }],
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$",
      description: "The runner's version: the same as GitLab's, or older.",
      examples: ["17.5.0"],
    },
    groups: groupsSetting,
    ...downloadSettings,
  },
};

/** The settings under `gitlab_runner`. */
interface Settings extends DownloadSettings {
  version: string;
  groups?: string[];
}

const home = "/var/lib/gitlab-runner";
// The runner's path for it when it runs as root. Sealing removes a leftover one.
const configuration = "/etc/gitlab-runner/config.toml";

/**
 * Records the runner.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, sha256, architecture = "x86_64", url, groups = [] } = cfg.gitlab_runner as Settings;
  const file = `gitlab-runner-linux-${architecture === "x86_64" ? "amd64" : "arm64"}`;
  const download = {
    url: url ?? `https://gitlab-runner-downloads.s3.amazonaws.com/v${version}/binaries/${file}`,
    sha256,
  };
  const agent = agentWith(groups);
  addAccount(name, root, agent);
  root.packages(["git"]);
  root.run(`\
${installScript({ folder: `/opt/gitlab-runner/${version}`, architecture, download, unpack: `install -m 0755 "$work/archive" "$folder/gitlab-runner"` })}
ln -s -f -n "$folder/gitlab-runner" /usr/local/bin/gitlab-runner
install -d -m 0700 /etc/gitlab-runner`);
  root.check(
    `GitLab Runner is version ${version}`,
    `gitlab-runner --version | grep -Eq ${quote(`^Version: +${version.replaceAll(".", "\\.")}$`)}`,
  );
  addService(root, agent);
}

function agentWith(groups: readonly string[]): Agent {
  const name = "gitlab-runner";
  return {
    name,
    title: "GitLab Runner",
    home,
    groups,
    registration: configuration,
    // As written by `gitlab-runner install`: the runner runs as root, its jobs as the account.
    service: `ExecStart=/usr/local/bin/gitlab-runner run --config ${configuration} --working-directory ${home} --service ${name} --user ${name}
Restart=always
RestartSec=120`,
    usage: "--url https://gitlab.com --executor shell [option of gitlab-runner register ...]",
    register: `\
export CI_SERVER_TOKEN=$token
gitlab-runner register --non-interactive --config ${configuration} "$@"
unset CI_SERVER_TOKEN`,
  };
}
