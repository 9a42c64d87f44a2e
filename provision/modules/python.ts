// Installs one or more versions of Python side by side in /opt/python/VERSION, beside the distribution's own. They are
// the builds of python-build-standalone, which uv and hatch use: nothing is compiled. A version is on PATH as python3.X
// and pip3.X (links in /usr/local/bin), never as python3, because the distribution's own tools need theirs. The sha256
// is in SHA256SUMS of the release, on the line of cpython-VERSION+RELEASE-x86_64-unknown-linux-gnu-install_only.tar.gz.
// Upstream could not be reached from the test environment: the scripts were tested with an archive of the same form, on
// Debian 12.
import type { BuildConfiguration, Root } from "../module.ts";
import { installToolchain, toolchainSchema, type Toolchain, type ToolchainSettings } from "./shared/toolchain.ts";

export const description = "Installs one or more versions of Python beside the distribution's own";
export const settingsRequired = true;

export const settings = toolchainSchema(
  "Python",
  { pattern: "^3\\.[0-9]+\\.[0-9]+$", example: "3.12.13", another: "3.11.13" },
  {
    release: {
      type: "string",
      pattern: "^[0-9]{8}$",
      description: "The release of python-build-standalone that has the version, in quotation marks.",
      examples: ["20260610"],
    },
  },
  { release: "20260610" },
);

/** One version of the setting `python`. */
interface Settings extends ToolchainSettings {
  release: string;
}

/** `3.12` of `3.12.7`. */
function short(version: string): string {
  return version.split(".").slice(0, 2).join(".");
}

const python: Toolchain<Settings> = {
  name: "python",
  shortName: short,
  url: ({ version, release }, architecture) =>
    // The + in the file's name must be written as %2B in a URL.
    `https://github.com/astral-sh/python-build-standalone/releases/download/${release}/cpython-${version}%2B${release}-${architecture}-unknown-linux-gnu-install_only.tar.gz`,
  link: ({ version }) => `\
ln -s -f -n "$folder/bin/python${short(version)}" /usr/local/bin/python${short(version)}
printf '#!/bin/sh\\nexec %s -m pip "$@"\\n' "$folder/bin/python${short(version)}" >/usr/local/bin/pip${short(version)}
chmod 0755 /usr/local/bin/pip${short(version)}`,
  works: ({ version }, folder) =>
    `${isVersion(`${folder}/bin/python${short(version)}`, version)} && ${folder}/bin/python${short(version)} -c 'import ctypes, sqlite3, ssl, venv'`,
  onPath: ({ version }) => `${isVersion(`python${short(version)}`, version)} && pip${short(version)} --version`,
};

function isVersion(command: string, version: string): string {
  return `[ "$(${command} --version)" = "Python ${version}" ]`;
}

/**
 * Records the versions.
 * @throws UserError if two versions would have the same name python3.X.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  installToolchain(name, root, python, cfg.python as Settings | Settings[]);
}
