// Installs the newest pip beside the distribution's, which is old and, on distributions that follow PEP 668, refuses to
// install anything. It has its own virtual environment (/opt/pip), and /usr/local/bin/pip is a link to it. Packages
// that root installs go there, a user's packages to ~/.local. The distribution's own Python packages are never touched.
import type { BuildConfiguration, Root } from "../module.ts";
import { ownFolder } from "../seal/kept.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs the newest pip, or a given version, apart from the distribution's";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+(\\.[0-9]+)*$",
      description: "The version, in quotation marks; by default, the newest on the day of the bake.",
      examples: ["25.0.1"],
    },
    sha256: {
      type: "string",
      pattern: "^[0-9a-fA-F]{64}$",
      description: "The sha256 of that version's wheel; a different wheel is refused. Requires `version`.",
      examples: ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    },
    index_url: {
      type: "string",
      pattern: "^https://[^\\s]+$",
      description: "The package index to use instead of pip's default, such as a mirror.",
      examples: ["https://pypi.example.com/simple"],
    },
  },
  dependencies: { sha256: ["version"] },
};

/** The settings under `pip`. */
interface Settings {
  version?: string;
  sha256?: string;
  index_url?: string;
}

const folder = "/opt/pip";
/** The version at the bake. It stays in the image for its tests. */
const noted = `${ownFolder}/pip-version`;

/** Records the virtual environment, the update of pip in it, and the links. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, sha256, index_url: index } = settingsOf<Settings>(cfg, "pip", {});
  root.packages({ apt: ["python3", "python3-venv"], dnf: ["python3"] });
  const requirement = `pip${version === undefined ? "" : `==${version}`}${sha256 === undefined ? "" : ` --hash=sha256:${sha256.toLowerCase()}`}`;
  const from = index === undefined ? "" : ` --index-url ${quote(index)}`;
  root.run(
    [
      // The system's packages must be visible, or pip would not let users install into their homes.
      `[ -x ${folder}/bin/python3 ] || python3 -m venv --system-site-packages ${folder}`,
      `requirements=$(mktemp)`,
      `trap 'rm -f "$requirements"' EXIT`,
      `printf '%s\\n' ${quote(requirement)} >"$requirements"`,
      `${folder}/bin/python3 -m pip --isolated --no-cache-dir --disable-pip-version-check install --quiet --upgrade --no-deps${from} --requirement "$requirements"`,
      `for name in pip pip3; do ln -s -f -n ${folder}/bin/$name /usr/local/bin/$name; done`,
      `install -d ${ownFolder}`,
      `/usr/local/bin/pip --version | cut -d' ' -f2 >${noted}`,
    ].join("\n"),
  );
  const wanted = version === undefined ? `"$(cat ${noted})"` : quote(version);
  root.check(
    version === undefined ? "pip is the newest one of the day of the bake" : `pip is version ${version}`,
    `[ "$(/usr/local/bin/pip --version | cut -d' ' -f2)" = ${wanted} ]`,
  );
  root.check(
    "a user's pip installs into the user's home",
    // --no-index: nothing is downloaded. pip itself is already installed; the test is that pip doesn't refuse.
    `[ -L /usr/local/bin/pip3 ] && runuser -u ${quote(root.loginUser)} -- /usr/local/bin/pip --isolated --disable-pip-version-check install --user --no-index --quiet pip`,
  );
}
