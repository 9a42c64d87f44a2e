// Shared by the modules node, go, rust and python: installs one or more versions of a toolchain side by side in /opt,
// the first one on PATH.
import { UserError } from "../../../common/user-error.ts";
import { downloadSettings, installScript, requireCurl, type Architecture, type DownloadSettings } from "./download.ts";
import type { Root } from "../../module.ts";
import { quote } from "../../shell/shell.ts";

/** One version in the settings of such a module. */
export interface ToolchainSettings extends DownloadSettings {
  version: string;
}

/** What distinguishes the toolchains. */
export interface Toolchain<Settings extends ToolchainSettings> {
  /** The module's name, the settings' key and the folder in /opt: `node`. */
  name: string;
  /** A version's name on PATH, if several versions can be there; must be unique. By default, the version itself. */
  shortName?: (version: string) => string;
  /** Upstream's address of a version. */
  url(settings: Settings, architecture: Architecture): string;
  /** Bash that unpacks "$work/archive" into "$folder", if it is not a tar with one folder in it. */
  unpack?(settings: Settings): string;
  /**
   * Bash that links the commands of "$folder" into /usr/local/bin. `isFirst` is true for the version that is on PATH
   * under the plain names.
   */
  link(settings: Settings, isFirst: boolean): string;
  /** Bash that is true if the version in a folder works; `folder` is quoted. */
  works(settings: Settings, folder: string): string;
  /** Bash that is true if the version is found on PATH; undefined if it shouldn't be there. */
  onPath(settings: Settings, isFirst: boolean): string | undefined;
}

/**
 * The schema of such a module: one version, or a list of them.
 * @param what Its name for people: `Node.js`.
 * @param versions For the setting `version`: its pattern and examples.
 * @param more Additional properties of a version.
 */
export function toolchainSchema(
  what: string,
  versions: { pattern: string; example: string; another: string },
  more: Readonly<Record<string, object>> = {},
  moreRequired: Readonly<Record<string, unknown>> = {},
): object {
  const entry = {
    type: "object",
    additionalProperties: false,
    required: ["version", "sha256", ...Object.keys(moreRequired)],
    properties: {
      version: {
        type: "string",
        pattern: versions.pattern,
        description: `The full version of ${what}, in quotation marks.`,
        examples: [versions.example],
      },
      ...more,
      ...downloadSettings,
    },
  };
  const one = (version: string) => ({ version, ...moreRequired, sha256: downloadSettings.sha256.examples[0] });
  return {
    description: `A version of ${what}, or a list of versions: all are installed, and the first one is on PATH.`,
    examples: [one(versions.example), [one(versions.example), one(versions.another)]],
    anyOf: [entry, { type: "array", minItems: 1, items: entry }],
  };
}

/**
 * Records the versions of a toolchain.
 * @param name The module's name in the recipe, for messages.
 * @throws UserError if a version is listed twice.
 */
export function installToolchain<Settings extends ToolchainSettings>(
  name: string,
  root: Root,
  toolchain: Toolchain<Settings>,
  given: Settings | Settings[],
): void {
  const versions = Array.isArray(given) ? given : [given];
  refuseDoubles(name, toolchain, versions);
  requireCurl(root);
  versions.forEach((settings, index) => {
    const { version, sha256, architecture = "x86_64", url = toolchain.url(settings, architecture) } = settings;
    const folder = `/opt/${toolchain.name}/${version}`;
    const isFirst = index === 0;
    const unpack = toolchain.unpack?.(settings);
    root.run(
      `${installScript({ folder, architecture, download: { url, sha256 }, unpack })}\n${toolchain.link(settings, isFirst)}`,
    );
    root.check(`${toolchain.name} ${version} works`, toolchain.works(settings, quote(folder)));
    const onPath = toolchain.onPath(settings, isFirst);
    if (onPath !== undefined) root.check(`${toolchain.name} ${version} is on PATH`, onPath);
  });
}

/** Bash that links all commands of "$folder/bin" into /usr/local/bin. */
export const linkAll = `\
for command in "$folder"/bin/*; do
  ln -s -f -n "$command" "/usr/local/bin/\${command##*/}"
done`;

function refuseDoubles<Settings extends ToolchainSettings>(
  name: string,
  { name: key, shortName = (version) => version }: Toolchain<Settings>,
  versions: readonly Settings[],
): void {
  versions.forEach(({ version }, index) => {
    const first = versions.findIndex((other) => shortName(other.version) === shortName(version));
    if (first < index)
      throw new UserError({
        where: `module ${name}`,
        key: `${key}[${index}].version`,
        found: `${shortName(version)} is in the list twice, first as ${key}[${first}]`,
        cure: "remove one of the two",
      });
  });
}
