// Installs the user's own deb files. Their dependencies come from the distribution's repositories.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { findFiles, namesFile, rememberNames } from "./shared/package-files.ts";
import { aptGet, aptUpdate } from "../plan/root.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Installs deb files, or all deb files in folders";
export const settingsKey = "debs";
export const settingsRequired = true;

export const settings = {
  type: "array",
  minItems: 1,
  items: { type: "string", minLength: 1 },
  description: "deb files, or folders with deb files; paths are relative to the recipe's folder.",
  examples: [["packages/agent_1.0_all.deb", "packages/more"]],
};

/** Records the installation. @throws UserError on a distribution without debs, or if a path can't be read. */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  if (root.distribution.family !== "debian")
    throw new UserError({
      where: `module ${name}`,
      found: `${root.distribution.id} does not install deb files`,
      allowed: "Debian and Ubuntu",
      cure: "use install_rpms",
    });
  const uploads = settingsOf<string[]>(cfg, settingsKey, []).map((path) => root.upload(path));
  root.run(
    [
      ...findFiles(uploads, "deb"),
      aptUpdate,
      // apt reads files as user _apt; as root it can read them all, but warns about it.
      `${aptGet} -o APT::Sandbox::User=root --no-install-recommends install "\${files[@]}"`,
      ...rememberNames("deb", `dpkg-deb --field "$file" Package`),
    ].join("\n"),
  );
  root.check(
    "every package of the deb files is installed",
    `[ -s ${namesFile("deb")} ]\nwhile read -r name; do [ "$(dpkg-query --show --showformat='\${db:Status-Status}' "$name")" = installed ]; done <${namesFile("deb")}`,
  );
}
