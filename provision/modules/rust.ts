// Installs Rust, in one or several versions side by side, by upstream's standalone installer: /opt/rust/VERSION. The commands of
// the first version (rustc, cargo, rustfmt, clippy) are on PATH (links in /usr/local/bin); the linker that rustc needs is installed,
// too. There is no rustup in it, so a project's rust-toolchain.toml is not followed. The sha256 of a version stands in the file
// of the archive's address with .sha256 at its end.
// Upstream could not be reached where this was tested: the scripts were tried with an archive of the same form, and Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import { quote } from "../shell/shell.ts";
import {
  installToolchain,
  linkAll,
  toolchainSchema,
  type Toolchain,
  type ToolchainSettings,
} from "./shared/toolchain.ts";

export const description = "Installs Rust with cargo, rustfmt and clippy, in one or several versions";
export const settingsRequired = true;

export const settings = toolchainSchema(
  "Rust",
  { pattern: "^1\\.[0-9]+\\.[0-9]+$", example: "1.82.0", another: "1.75.0" },
  {
    without: {
      type: "array",
      items: { type: "string", pattern: "^[A-Za-z0-9_-]+$" },
      default: ["rust-docs"],
      description: "Components of the archive that are left out.",
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
    // A newer rustc takes it from RUSTC, a cargo of /opt on its own would ask PATH for it.
    `[[ "$(${folder}/bin/rustc --version)" == "rustc ${version} "* && "$(RUSTC=${folder}/bin/rustc ${folder}/bin/cargo --version)" == "cargo "* ]]`,
  onPath: ({ version }, isFirst) =>
    isFirst ? `[[ "$(rustc --version)" == "rustc ${version} "* ]] && cargo --version && command -v cc` : undefined,
};

/**
 * Records the versions.
 * @throws UserError when a version is listed twice.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  root.packages({ apt: ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-devel"] });
  installToolchain(name, root, rust, cfg.rust as Settings | Settings[]);
}
