// Installs packages from the distribution's repositories.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Packages, Root } from "../module.ts";
import { isInstalled, packageNames, settingsOf } from "./shared/module-settings.ts";

export const description = "Installs packages by name from the distribution's repositories";
export const settingsRequired = true;

// No space and no leading dash: a name, perhaps with a version (`git=1:2.39*`), or a group (`@development`).
const names = {
  type: "array",
  minItems: 1,
  items: { type: "string", pattern: "^[A-Za-z0-9@][A-Za-z0-9+._:=~*/^-]*$" },
};

export const settings = {
  description: "Package names: one list, or one for each package manager.",
  examples: [["make", "rsync"], { apt: ["build-essential"], dnf: ["gcc", "make"] }],
  anyOf: [
    { ...names, description: "Names that are the same for every package manager." },
    {
      type: "object",
      additionalProperties: false,
      minProperties: 1,
      properties: {
        apt: { ...names, description: "Names on Debian and Ubuntu.", examples: [["build-essential"]] },
        dnf: { ...names, description: "Names on Rocky, CentOS and Amazon Linux.", examples: [["gcc", "make"]] },
      },
    },
  ],
};

/**
 * Records the packages.
 * @throws UserError if there is no list for the distribution.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const packages = settingsOf<Packages>(cfg, "install_packages", []);
  const wanted = packageNames(root.distribution, packages);
  if (wanted.length === 0)
    throw new UserError({
      where: `module ${name}`,
      key: "install_packages",
      found: `there is no list for ${root.distribution.packageManager}, which ${root.distribution.id} uses`,
      allowed: `a list "${root.distribution.packageManager}", or one list for all`,
    });
  root.packages(packages);
  for (const each of wanted)
    // A group (`@development`) is not a package; the distribution decides what it contains.
    if (!each.startsWith("@"))
      root.check(`the package ${each} is installed`, isInstalled(root.distribution, each), { independent: true });
}
