// The public base image of each distribution on Google Compute Engine.
// https://cloud.google.com/compute/docs/images/os-details lists families and projects.
import { UserError } from "../../common/user-error.ts";
import type { BaseSource } from "./contract.ts";
import type { GceSettings } from "./settings.ts";

interface Public {
  project: string;
  /** The family for each architecture that has an image. */
  families: Partial<Record<"amd64" | "arm64", string>>;
}

/** By distribution. Google may no longer offer an old one: the lookup then reports that there is no such family. */
const publicImages: Readonly<Record<string, Public>> = {
  debian12: both("debian-cloud", "debian-12"),
  debian13: both("debian-cloud", "debian-13"),
  "ubuntu22.04": both("ubuntu-os-cloud", "ubuntu-2204-lts"),
  "ubuntu24.04": {
    project: "ubuntu-os-cloud",
    families: { amd64: "ubuntu-2404-lts-amd64", arm64: "ubuntu-2404-lts-arm64" },
  },
  "ubuntu14.04": { project: "ubuntu-os-cloud", families: { amd64: "ubuntu-1404-lts" } },
  rocky9: both("rocky-linux-cloud", "rocky-linux-9"),
  "centos-stream9": both("centos-cloud", "centos-stream-9"),
  centos7: { project: "centos-cloud", families: { amd64: "centos-7" } },
};

/**
 * The base image of a distribution: the stack's own choice, or the public one.
 * @param distribution Its id.
 * @param project The stack's project.
 * @param where The stack's file, for messages.
 * @throws UserError if there is no public image, or the stack chooses a family and an image.
 */
export function baseSource(
  distribution: string,
  { bases, architecture }: Pick<GceSettings, "bases" | "architecture">,
  project: string,
  where: string,
): BaseSource {
  const { family, image, project: chosen = project } = bases[distribution] ?? {};
  if (family !== undefined && image !== undefined) {
    const key = `ci-images:gce.bases.${distribution}`;
    throw new UserError({ where, key, found: "a family and an image", allowed: "one of the two" });
  }
  if (family !== undefined) return { kind: "family", project: chosen, family };
  if (image !== undefined) return { kind: "image", project: chosen, image };
  const offered = publicImages[distribution];
  const there = offered?.families[architecture];
  if (offered && there !== undefined) return { kind: "family", project: offered.project, family: there };
  throw new UserError({
    where,
    key: "ci-images:distributions",
    found: `there is no public image of ${distribution} for ${architecture} on Google Compute Engine`,
    cure: `leave it out, or name one of your own in ci-images:gce.bases.${distribution}`,
  });
}

function both(project: string, family: string): Public {
  return { project, families: { amd64: family, arm64: `${family}-arm64` } };
}
