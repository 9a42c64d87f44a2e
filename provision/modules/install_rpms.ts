// Installs the user's own rpm files as Imaging Hot Sauce did: copies them, installs them, and removes the copies.
import type { BuildConfiguration, Root } from "../module.ts";
import { findFiles, namesFile, rememberNames } from "./shared/package-files.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Installs rpm files, or all rpm files in folders";
export const settingsKey = "rpms";

export const settings = {
  type: "array",
  minItems: 1,
  items: { type: "string", minLength: 1 },
  description:
    "rpm files, or folders with rpm files; paths are relative to the recipe's folder. Dependencies come from the distribution's repositories.",
  examples: [["rpms/agent-1.0-1.noarch.rpm", "rpms/more"]],
};

/**
 * Records the installation. Without a list nothing is installed, as in Imaging Hot Sauce's example. On Debian and
 * Ubuntu rpm itself is installed first; there a package can depend only on packages in the same list, because rpm
 * doesn't know those that dpkg installed.
 * @throws UserError if a path can't be read.
 */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const uploads = settingsOf<string[]>(cfg, settingsKey, []).map((path) => root.upload(path));
  if (uploads.length === 0) return root.run("echo 'no rpm files are listed (rpms): nothing to install'");
  if (root.distribution.family === "debian") root.packages(["rpm"]);
  root.run(
    [
      ...findFiles(uploads, "rpm"),
      // `install` and `--upgrade` may run twice. dnf refuses to work without a repository, so disable them all if none
      // is enabled.
      `if command -v dnf >/dev/null && [ -n "$(dnf -q repolist --enabled)" ]; then dnf -y install "\${files[@]}"`,
      `elif command -v dnf >/dev/null; then dnf -y --disablerepo='*' install "\${files[@]}"`,
      `elif command -v yum >/dev/null; then yum -y install "\${files[@]}"`,
      `else rpm --upgrade --replacepkgs --verbose "\${files[@]}"; fi`,
      ...rememberNames("rpm", `rpm --query --package --queryformat '%{NAME}\\n' "$file"`),
    ].join("\n"),
  );
  root.check(
    "every package of the rpm files is installed",
    `[ -s ${namesFile("rpm")} ]\nwhile read -r name; do rpm --quiet --query "$name"; done <${namesFile("rpm")}`,
  );
}
