// Installs one or more versions of Rust side by side in /opt/rust/VERSION, with upstream's standalone installer, and
// the linker that rustc needs. The commands of the first version (rustc, cargo, rustfmt, clippy) are on PATH (links in
// /usr/local/bin). There is no rustup, so a project's rust-toolchain.toml has no effect. The sha256 of a version is at
// the archive's address with .sha256 appended. Upstream could not be reached from the test environment: the scripts
// were tested with an archive of the same form, on Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import { quote } from "../shell/shell.ts";
import {
  installToolchain,
  linkAll,
  toolchainSchema,
  type Toolchain,
  type ToolchainSettings,
} from "./shared/toolchain.ts";

export const description = "Installs one or more versions of Rust, with cargo, rustfmt and clippy";
export const settingsRequired = true;

export const settings = toolchainSchema(
  "Rust",
  { pattern: "^1\\.[0-9]+\\.[0-9]+$", example: "1.82.0", another: "1.75.0" },
  {
    without: {
      type: "array",
      items: { type: "string", pattern: "^[A-Za-z0-9_-]+$" },
      default: ["rust-docs"],
      description: "Components of the archive to leave out.",
      examples: [["rust-docs", "rust-analyzer-preview"]],
    },
  },
);

/** One version of the setting `rust`. */
interface Settings extends ToolchainSettings {
  without?: string[];
}

const rust: Toolchain<Settings> = {
  name: "rust",
  url: ({ version }, architecture) =>
    `https://static.rust-lang.org/dist/rust-${version}-${architecture}-unknown-linux-gnu.tar.gz`,
  unpack: ({ without = ["rust-docs"] }) => `\
mkdir "$work/installer"
  tar --extract --file="$work/archive" --strip-components=1 --no-same-owner --directory="$work/installer"
  "$work/installer/install.sh" --prefix="$folder" --disable-ldconfig --without=${quote(without.join(","))}`,
  link: (_settings, isFirst) => (isFirst ? linkAll : ""),
  works: ({ version }, folder) =>
    // Without RUSTC, a cargo in /opt would look for rustc on PATH.
    `[[ "$(${folder}/bin/rustc --version)" == "rustc ${version} "* && "$(RUSTC=${folder}/bin/rustc ${folder}/bin/cargo --version)" == "cargo "* ]]`,
  onPath: ({ version }, isFirst) =>
    isFirst ? `[[ "$(rustc --version)" == "rustc ${version} "* ]] && cargo --version && command -v cc` : undefined,
};

/**
 * Records the versions.
 * @throws UserError if a version is listed twice.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  root.packages({ apt: ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-devel"] });
  installToolchain(name, root, rust, cfg.rust as Settings | Settings[]);
}
