// Installs one or more versions of Go side by side in /opt/go/VERSION, from upstream's archives. `go` and `gofmt` of
// the first version are on PATH (links in /usr/local/bin). The sha256 of a version is on go.dev/dl, beside the archive.
// Upstream could not be reached from the test environment: the scripts were tested with an archive of the same form, on
// Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import {
  installToolchain,
  linkAll,
  toolchainSchema,
  type Toolchain,
  type ToolchainSettings,
} from "./shared/toolchain.ts";

export const description = "Installs one or more versions of Go";
export const settingsRequired = true;

export const settings = toolchainSchema("Go", {
  pattern: "^1\\.[0-9]+(\\.[0-9]+)?$",
  example: "1.23.3",
  another: "1.22.9",
});

const go: Toolchain<ToolchainSettings> = {
  name: "go",
  url: ({ version }, architecture) =>
    `https://go.dev/dl/go${version}.linux-${architecture === "x86_64" ? "amd64" : "arm64"}.tar.gz`,
  link: (_settings, isFirst) => (isFirst ? linkAll : ""),
  // GOTOOLCHAIN=local: use this version; don't download a newer one.
  works: ({ version }, folder) => isVersion(`${folder}/bin/go`, version),
  onPath: ({ version }, isFirst) => (isFirst ? isVersion("go", version) : undefined),
};

function isVersion(command: string, version: string): string {
  return `case "$(GOTOOLCHAIN=local ${command} version)" in "go version go${version} "*) ;; *) exit 1 ;; esac`;
}

/**
 * Records the versions.
 * @throws UserError if a version is listed twice.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  installToolchain(name, root, go, cfg.go as ToolchainSettings | ToolchainSettings[]);
}
