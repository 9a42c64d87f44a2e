// Installs git: the distribution's package or, if a version is given, that version from source, in /usr/local. Logins
// find the latter if /usr/local/bin is first in PATH; module path puts it there.
//
// kernel.org could not be reached from the test environment: the build was tested with a substitute for the source, on
// Debian 12.
import { fetchScript, requireCurl } from "./shared/download.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs git, the distribution's or a version built from source";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    version: {
      type: "string",
      pattern: "^[0-9]+\\.[0-9]+(\\.[0-9]+)*$",
      description: "The full version to build from source, in quotation marks. Requires `sha256`.",
      examples: ["2.47.1"],
    },
    sha256: {
      type: "string",
      pattern: "^[0-9a-fA-F]{64}$",
      description:
        "The sha256 of git-VERSION.tar.gz, 64 hex digits. The signed file sha256sums.asc beside the archive has it.",
      examples: ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    },
    url: {
      type: "string",
      pattern: "^https://[^\\s]+$",
      description: "A mirror to download the archive from, instead of kernel.org.",
      examples: ["https://mirror.example.com/git-2.47.1.tar.gz"],
    },
  },
  dependencies: { version: ["sha256"], sha256: ["version"], url: ["version"] },
};

/** The settings under `git`. */
interface Settings {
  version?: string;
  sha256?: string;
  url?: string;
}

/** Records the package, or the build. */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const { version, sha256 = "", url } = settingsOf<Settings>(cfg, "git", {});
  if (version === undefined) {
    root.packages(["git"]);
    root.check("git is installed", "git --version", { independent: true });
    return;
  }
  requireCurl(root);
  root.packages({
    apt: [
      "gcc",
      "make",
      "libc6-dev",
      "gettext",
      "libcurl4-openssl-dev",
      "libexpat1-dev",
      "libssl-dev",
      "zlib1g-dev",
      "perl",
    ],
    dnf: ["gcc", "make", "gettext", "libcurl-devel", "expat-devel", "openssl-devel", "zlib-devel", "perl"],
  });
  const address = url ?? `https://www.kernel.org/pub/software/scm/git/git-${version}.tar.gz`;
  root.run(buildScript(version, address, sha256));
  root.check(
    `git ${version} is in /usr/local/bin`,
    `[[ $(/usr/local/bin/git --version) == "git version ${version}" ]]`,
    { independent: true },
  );
  root.check(
    "git of /usr/local/bin comes first in PATH",
    `[ "$(env -i TERM=dumb su --login ${quote(root.loginUser)} --command 'command -v git')" = /usr/local/bin/git ]`,
    { independent: true },
  );
  root.check(
    "git can fetch by https",
    '/usr/local/bin/git --exec-path >/dev/null && [ -x "$(/usr/local/bin/git --exec-path)/git-remote-https" ]',
    { independent: true },
  );
}

// Without Tcl, so without gitk: workers have no screen. Without documentation, which would need more tools.
function buildScript(version: string, url: string, sha256: string): string {
  const options = "prefix=/usr/local NO_TCLTK=YesPlease NO_INSTALL_HARDLINKS=YesPlease";
  return `\
if [ "$(/usr/local/bin/git --version 2>/dev/null)" = "git version ${version}" ]; then exit 0; fi
work=$(mktemp -d /var/tmp/ci-images-git.XXXXXX)
trap 'rm -rf "$work"' EXIT
${fetchScript({ url, sha256 }, undefined, '"$work/archive"')}
mkdir "$work/source"
tar --extract --file="$work/archive" --strip-components=1 --no-same-owner --directory="$work/source"
make --directory="$work/source" --jobs="$(nproc)" --silent ${options} all
make --directory="$work/source" --silent ${options} install`;
}
