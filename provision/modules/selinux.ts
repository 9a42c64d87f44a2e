// Keeps SELinux enforcing, so that jobs run under the same conditions as the users of their packages. Red Hat's family
// only. Put it early, because later modules install under it.
//
// Not tested on a machine, because no Red Hat root was available: its scripts were checked only by shellcheck.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Makes SELinux enforcing (Red Hat's family only)";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    relabel: {
      type: "boolean",
      default: false,
      description:
        "Whether to turn SELinux on if the base image has it off: all files are labelled and the builder reboots, which takes minutes. Without it, such a base ends the bake.",
      examples: [true],
    },
  },
};

/** The settings under `selinux`. */
interface Settings {
  relabel?: boolean;
}

const configuration = "/etc/selinux/config";

/**
 * Records the change.
 * @throws UserError on a distribution without SELinux.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  if (root.distribution.family !== "redhat")
    throw new UserError({
      where: `module ${name}`,
      found: `${root.distribution.id} has no SELinux policy`,
      allowed: "Rocky, CentOS and Amazon Linux",
      cure: "leave the module out for this distribution",
    });
  const { relabel = false } = settingsOf<Settings>(cfg, "selinux", {});
  const isOld = root.distribution.packageCommand === "yum";
  const tools = isOld ? ["libselinux-utils"] : ["libselinux-utils", "grubby"];
  root.packages(["selinux-policy-targeted", "policycoreutils", ...tools]);
  root.run(
    [
      `sed -i -E 's/^SELINUX=.*/SELINUX=enforcing/; s/^SELINUXTYPE=.*/SELINUXTYPE=targeted/' ${configuration}`,
      // The kernel's command line overrides the file. A container has no boot loader.
      `if command -v grubby >/dev/null && ! systemd-detect-virt --quiet --container; then grubby --update-kernel=ALL --remove-args="selinux enforcing"; fi`,
      `case "$(getenforce)" in`,
      `  Permissive) setenforce 1 ;;`,
      `  Disabled) ${relabel ? "touch /.autorelabel" : refuseDisabled} ;;`,
      `esac`,
    ].join("\n"),
  );
  if (relabel) root.reboot();
  root.check("SELinux is set to enforcing", `grep -qx SELINUX=enforcing ${configuration}`);
  root.check("SELinux is enforcing", `systemd-detect-virt --quiet --container || [ "$(getenforce)" = Enforcing ]`);
}

const refuseDisabled = `systemd-detect-virt --quiet --container || { echo "selinux: the base image has SELinux off: set relabel: true, or take another base image" >&2; exit 1; }`;
