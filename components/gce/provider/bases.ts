// Finds base images by family, or by name if the stack names one. A found image is identified by name and number,
// because a name can be reused.
import { distance } from "fastest-levenshtein";
import { UserError } from "../../../common/user-error.ts";
import type { BaseSource, FoundBase } from "../contract.ts";
import type { Compute } from "./compute.ts";
import { ComputeError } from "./errors.ts";
import type { Image } from "./types.ts";

/** The API's names of our architectures. */
const architectures = { amd64: "X86_64", arm64: "ARM64" } as const;

/**
 * Looks up a base image.
 * @param what For messages: `debian12 for amd64`.
 * @throws UserError that says what was looked for and where, and lists similar names.
 */
export async function findBase(
  compute: Compute,
  source: BaseSource,
  architecture: keyof typeof architectures,
  what: string,
): Promise<FoundBase> {
  const image = source.kind === "family" ? await newest(compute, source) : await named(compute, source);
  if (image === undefined) throw await missing(compute, source, what);
  const state = image.deprecated?.state ?? "ACTIVE";
  const where = `Compute Engine, project ${source.project}`;
  if (state === "OBSOLETE" || state === "DELETED") {
    throw new UserError({
      where,
      key: image.name,
      found: `the base image of ${what} is ${state}: Google no longer creates machines from it`,
      cure: `copy it into your own project and name the copy in ci-images:gce.bases${replacementOf(image)}`,
    });
  }
  const found = image.architecture;
  if (found && found !== "ARCHITECTURE_UNSPECIFIED" && found !== architectures[architecture]) {
    const allowed = `an image for ${architectures[architecture]} (ci-images:gce.architecture: ${architecture})`;
    throw new UserError({ where, key: image.name, found: `an image for ${found}`, allowed });
  }
  return describe(image, source.project, state === "DEPRECATED");
}

/**
 * The base image that an earlier image was made from.
 * @param id As in {@link FoundBase}.
 * @throws UserError if it no longer exists.
 */
export async function findPinnedBase(compute: Compute, id: string, what: string): Promise<FoundBase> {
  const parts = /^projects\/([^/]+)\/global\/images\/([^@]+)@(\d+)$/.exec(id);
  const image = parts && (await compute.find<Image>(`projects/${parts[1]}/global/images/${parts[2]}`));
  if (parts && image?.id === parts[3]) return describe(image, parts[1], image.deprecated?.state === "DEPRECATED");
  throw new UserError({
    where: "Compute Engine",
    key: id,
    found: image ? "is now a different image of the same name" : `the base image that ${what} is pinned to is gone`,
    cure: "set ci-images:base to latest, to use the newest one",
  });
}

async function newest(
  compute: Compute,
  { project, family }: BaseSource & { kind: "family" },
): Promise<Image | undefined> {
  const current = await compute.find<Image>(`projects/${project}/global/images/family/${family}`);
  if (current) return current;
  // A family whose images are all deprecated resolves to none, but machines can still be made from them.
  const all = await compute.list<Image>(`projects/${project}/global/images`, `(family = "${family}")`);
  return all.sort((a, b) => Date.parse(b.creationTimestamp) - Date.parse(a.creationTimestamp))[0];
}

function named(compute: Compute, { project, image }: BaseSource & { kind: "image" }): Promise<Image | undefined> {
  return compute.find<Image>(`projects/${project}/global/images/${image}`);
}

async function missing(compute: Compute, source: BaseSource, what: string): Promise<UserError> {
  const [wanted, kind] = source.kind === "family" ? [source.family, "family"] : [source.image, "image"];
  const complaint = {
    where: `Compute Engine, project ${source.project}`,
    key: `${kind} ${wanted}`,
    found: `no base image for ${what}: there is no such ${kind}`,
  };
  let all: Image[];
  try {
    all = await compute.list<Image>(`projects/${source.project}/global/images`);
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    return new UserError(complaint, ...error.complaints);
  }
  const usable = all.filter(({ deprecated }) => !["OBSOLETE", "DELETED"].includes(deprecated?.state ?? ""));
  const names = usable.map((image) => (source.kind === "family" ? image.family : image.name));
  const near = [...new Set(names.filter((name) => name !== undefined))]
    .sort((a, b) => distance(a, wanted) - distance(b, wanted))
    .slice(0, 5);
  const there = near.length > 0 ? near.join(", ") : "none in this project";
  return new UserError({
    ...complaint,
    allowed: `similar names: ${there}`,
    cure: "name another in ci-images:gce.bases (docs/gce.md)",
  });
}

function describe(image: Image, project: string, deprecated: boolean): FoundBase {
  const path = `projects/${project}/global/images/${image.name}`;
  return {
    id: `${path}@${image.id}`,
    description: `${image.name} of ${project}`,
    ...(deprecated && { notice: `${image.name} is deprecated${replacementOf(image)}` }),
    image: path,
    features: (image.guestOsFeatures ?? []).map(({ type }) => type),
    sizeGb: Number(image.diskSizeGb ?? 0),
  };
}

function replacementOf({ deprecated }: Image): string {
  return deprecated?.replacement ? `; Google names ${deprecated.replacement} as its replacement` : "";
}
