// Installs PyPy, a fast Python, in /opt/python-pypy/VERSION from upstream's archive, with links in /usr/local/bin. The
// sha256 of an archive is on pypy.org/checksums.html.
//
// Upstream could not be reached from the test environment: the scripts were tested with an archive of the same form, on
// Debian 12.
import { downloadSettings, installScript, requireCurl, type DownloadSettings } from "./shared/download.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs PyPy beside the distribution's Python";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["version", "sha256"],
  description: "The version of PyPy.",
  examples: [
    { version: "7.3.17", python: "3.10", sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  ],
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+\\.[0-9]+\\.[0-9]+$",
      description: "The full version of PyPy, in quotation marks.",
      examples: ["7.3.17"],
    },
    python: {
      type: "string",
      pattern: "^[23]\\.[0-9]+$",
      default: "3.10",
      description: "The version of Python that it implements, in quotation marks.",
      examples: ["2.7"],
    },
    ...downloadSettings,
  },
};

/** The settings under `pypy`. */
interface Settings extends DownloadSettings {
  version: string;
  python?: string;
}

/** Records the download and the links: `pypy`, and `pypy3` if it is for Python 3. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const given = settingsOf<Settings | undefined>(cfg, "pypy", undefined);
  if (!given) return;
  const { version, python = "3.10", sha256, architecture = "x86_64" } = given;
  const processor = architecture === "x86_64" ? "linux64" : "aarch64";
  const url = given.url ?? `https://downloads.python.org/pypy/pypy${python}-v${version}-${processor}.tar.bz2`;
  const folder = `/opt/python-pypy/${version}`;
  requireCurl(root);
  root.packages(["bzip2"]);
  root.run(
    [
      installScript({ folder, download: { url, sha256 }, architecture }),
      `for name in pypy pypy3; do`,
      `  if [ -x "$folder/bin/$name" ]; then ln -s -f -n "$folder/bin/$name" "/usr/local/bin/$name"; fi`,
      `done`,
    ].join("\n"),
  );
  root.check(
    `PyPy ${version} is in ${folder}, linked from /usr/local/bin`,
    `[ "$(readlink -f /usr/local/bin/pypy)" = "$(readlink -f ${quote(folder)}/bin/pypy)" ]`,
  );
  root.check(
    `pypy is version ${version} and speaks Python ${python}`,
    `seen=$(/usr/local/bin/pypy --version 2>&1)\n[[ $seen == "Python ${python}."* && $seen == *"[PyPy ${version} "* ]]`,
  );
}
