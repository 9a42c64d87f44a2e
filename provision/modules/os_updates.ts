// Installs all updates of the operating system, including the kernel.
import type { BuildConfiguration, Root } from "../module.ts";
import { aptGet, aptUpdate } from "../plan/root.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Installs all updates of the operating system, and optionally reboots into the new kernel";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    reboot: {
      type: "boolean",
      default: false,
      description:
        "Whether to reboot the builder after the updates, so that later modules run on the newest kernel, for example to build kernel modules. " +
        "An image boots the newest kernel either way.",
      examples: [true],
    },
    releasever: {
      type: "string",
      pattern: "^(latest|2023\\.[0-9]+\\.[0-9]{8})$",
      description:
        "On amazonlinux2023, the release to update to: `latest`, or a release's name. Every AMI of Amazon Linux 2023 is locked to the packages of its own " +
        "release, so without this setting updates come only with a newer base image, and never with `base: pinned`. Other distributions ignore it.",
      examples: ["latest"],
    },
  },
};

/** The settings under `os_updates`. */
interface Settings {
  reboot?: boolean;
  releasever?: string;
}

/** Records the updates. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { reboot = false, releasever } = settingsOf<Settings>(cfg, "os_updates", {});
  if (root.distribution.family === "debian") debian(root);
  else redhat(root, releasever);
  if (!reboot) return;
  root.reboot();
  // A container runs its host's kernel, whatever is installed. `uname -r` is the name of the kernel's folder.
  root.check(
    "the running kernel is the newest that is installed",
    `systemd-detect-virt --quiet --container || [ "$(uname -r)" = "$(ls -1 /lib/modules | sort -V | tail -n 1)" ]`,
    { independent: true },
  );
}

function debian(root: Root): void {
  root.run(`${aptUpdate}\n${aptGet} dist-upgrade\n${aptGet} autoremove`);
  root.check("no package is half-installed", `[ -z "$(dpkg --audit)" ]`, { independent: true });
  // Sealing removes the package lists, so that no update is known later: only the test on the builder counts.
  root.check(
    "no update of the operating system is left to install",
    `! apt-get --simulate -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= dist-upgrade | grep '^Inst '`,
    { independent: true },
  );
}

function redhat(root: Root, releasever: string | undefined): void {
  const { packageCommand = "dnf", name } = root.distribution;
  // "Deterministic upgrades through versioned repositories":
  // https://docs.aws.amazon.com/linux/al2023/ug/deterministic-upgrades.html
  const isLocked = name === "amazon";
  const release = isLocked && releasever !== undefined ? ` --releasever=${releasever}` : "";
  const notice =
    "echo \"notice: updates of $(rpm -q --qf '%{VERSION}' system-release) only, the release of the base image; os_updates.releasever: latest goes beyond it\"";
  root.run(`${packageCommand} -y upgrade${release}${isLocked && release === "" ? `\n${notice}` : ""}`);
  // Exit status 100 means "there are updates"; without cached lists (on the sealed image) the command fails with 1.
  root.check(
    "no update of the operating system is left to install",
    `status=0; ${packageCommand} -q -C check-update${release} || status=$?; [ "$status" -ne 100 ]`,
    { independent: true },
  );
}
