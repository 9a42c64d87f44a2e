// Installs a Java runtime, which Jenkins agents need.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Distribution, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";

export const description = "Installs a headless Java runtime";

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    version: {
      type: "integer",
      enum: [7, 8, 11, 17, 21, 25],
      description: "The Java version; by default, the distribution's own.",
      examples: [17],
    },
  },
};

/** The settings under `java`. */
interface Settings {
  version?: number;
}

/** The versions that the distributions have, from their package lists and release notes. */
const available: Readonly<Record<string, readonly number[]>> = {
  debian12: [17],
  debian13: [21, 25],
  "ubuntu22.04": [8, 11, 17, 21],
  "ubuntu24.04": [8, 11, 17, 21],
  rocky9: [8, 11, 17, 21],
  "centos-stream9": [8, 11, 17, 21],
  amazonlinux2023: [8, 11, 17, 21],
  "ubuntu14.04": [7],
  centos7: [7, 8, 11],
};

/**
 * Records the package.
 * @throws UserError if the distribution doesn't have the version.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { version } = settingsOf<Settings>(cfg, "java", {});
  const versions = available[root.distribution.id];
  if (version !== undefined && versions && !versions.includes(version))
    throw new UserError({
      where: `module ${name}`,
      key: "java.version",
      found: `${root.distribution.id} has no Java ${version}`,
      allowed: versions.join(", "),
      cure: "choose one of these, omit the version to get the distribution's default, or choose another distribution",
    });
  root.packages([packageName(root.distribution, version)]);
  root.check("java runs", "java -version", { independent: true });
  if (version !== undefined)
    // Java 8 and older report 1.8.
    root.check(`java is version ${version}`, `java -version 2>&1 | grep -Eq 'version "(1\\.)?${version}[."]'`, {
      independent: true,
    });
}

function packageName({ family, name }: Distribution, version: number | undefined): string {
  if (family === "debian") return version === undefined ? "default-jre-headless" : `openjdk-${version}-jre-headless`;
  // Up to Java 8 the version is the second number.
  const number = version !== undefined && version < 9 ? `1.${version}.0` : String(version);
  if (name === "amazon") return `java-${version === undefined ? "21" : number}-amazon-corretto-headless`;
  return version === undefined ? "java-headless" : `java-${number}-openjdk-headless`;
}
