// Installs one or more versions of Node.js with npm side by side in /opt/node/VERSION, from upstream's archives. The
// commands of the first version are on PATH (links in /usr/local/bin), and `npm install --global` installs there, too.
// The sha256 of a version is in upstream's SHASUMS256.txt beside the archive, on the line of
// node-vVERSION-linux-x64.tar.gz. Upstream could not be reached from the test environment: the scripts were tested with
// an archive of the same form, on Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import {
  installToolchain,
  linkAll,
  toolchainSchema,
  type Toolchain,
  type ToolchainSettings,
} from "./shared/toolchain.ts";

export const description = "Installs one or more versions of Node.js, with npm";
export const settingsRequired = true;

export const settings = toolchainSchema("Node.js", {
  pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$",
  example: "22.11.0",
  another: "20.18.1",
});

const node: Toolchain<ToolchainSettings> = {
  name: "node",
  url: ({ version }, architecture) =>
    `https://nodejs.org/dist/v${version}/node-v${version}-linux-${architecture === "x86_64" ? "x64" : "arm64"}.tar.gz`,
  link: (_settings, isFirst) =>
    // npm's built-in settings file, as distributions use it: otherwise global packages would go to /opt, off PATH.
    isFirst ? `${linkAll}\nprintf 'prefix=/usr/local\\n' >"$folder/lib/node_modules/npm/npmrc"` : "",
  works: ({ version }, folder) =>
    `[ "$(${folder}/bin/node --version)" = v${version} ] && PATH=${folder}/bin:$PATH npm --version`,
  onPath: ({ version }, isFirst) => (isFirst ? `[ "$(node --version)" = v${version} ] && npm --version` : undefined),
};

/**
 * Records the versions.
 * @throws UserError if a version is listed twice.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  installToolchain(name, root, node, cfg.node as ToolchainSettings | ToolchainSettings[]);
}
