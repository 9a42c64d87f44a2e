// Installs fpm, a Ruby gem that makes rpm and deb packages from anything.
//
// No gem server could be reached from the test environment: the module was tested with a gem of that name and a local
// server, on Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs fpm, which makes rpm and deb packages";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+(\\.[0-9A-Za-z]+)*$",
      description: "The version, in quotation marks; by default, the newest one that the distribution's Ruby can run.",
      examples: ["1.16.0"],
    },
    source: {
      type: "string",
      pattern: "^https://[^\\s]+$",
      description: "A mirror to download gems from, instead of gem's default.",
      examples: ["https://gems.example.com/"],
    },
  },
};

/** The settings under `fpm`. */
interface Settings {
  version?: string;
  source?: string;
}

/** Records Ruby, the tools for building gems with C parts, the package tools that fpm calls, and the gem. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, source } = settingsOf<Settings>(cfg, "fpm", {});
  root.packages({
    apt: ["ruby", "ruby-dev", "gcc", "make", "libc6-dev", "rpm", "binutils", "ca-certificates"],
    // AL2023 has no package named ruby, but another package provides it.
    dnf: ["ruby", "ruby-devel", "rubygems", "gcc", "make", "redhat-rpm-config", "rpm-build", "binutils"],
  });
  const wanted = version === undefined ? "" : ` --version ${quote(version)}`;
  const from = source === undefined ? "" : ` --clear-sources --source ${quote(source)}`;
  root.run(
    // Into /usr/local/bin, which the distribution's packages don't use. gem before 2.0 doesn't know --no-document.
    `gem install${wanted}${from} --conservative --no-document --bindir /usr/local/bin fpm`,
  );
  root.check("fpm runs", "fpm --version");
  root.check("fpm is among the gems", "gem list --installed '^fpm$'");
  if (version !== undefined) root.check(`fpm is version ${version}`, `[ "$(fpm --version)" = ${quote(version)} ]`);
}
