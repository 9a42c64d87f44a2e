// Checks a recipe's `base`: the source of each distribution's root file system.
import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Complaint } from "../../common/user-error.ts";
import type { Distribution } from "../module.ts";
import type { RecipeBase } from "./recipe.ts";
import { inWords } from "./validate.ts";

interface WrittenBase {
  mirror?: string;
  packages?: string[];
  tarball?: string;
  sha256?: string;
  directory?: string;
  image?: string;
  recipe?: string;
}

const kinds = ["tarball", "directory", "image", "recipe", "mirror"] as const;

/**
 * The base of each distribution.
 * @param file The recipe's file, for complaints.
 * @param folder The folder that paths are relative to.
 * @param written The recipe's `base`; undefined means the distribution's mirrors.
 * @param complaints Receives the errors.
 */
export function findBases(
  file: string,
  folder: string,
  written: unknown,
  distributions: readonly Distribution[],
  complaints: Complaint[],
): Record<string, RecipeBase> {
  if (written !== undefined && !isMapping(written)) return {}; // the schema's complaint
  const base: WrittenBase = written ?? {};
  const complain = (key: string, complaint: Omit<Complaint, "where">) => {
    complaints.push({ where: file, key, ...complaint });
  };
  const given = kinds.filter((kind) => base[kind] !== undefined);
  if (given.length > 1) complain("base", { found: given.join(" and "), allowed: `one of ${kinds.join(", ")}` });
  const kind = given[0] ?? "mirror";
  // The image of a recipe exists for each distribution.
  if (kind !== "mirror" && kind !== "recipe" && distributions.length > 1) {
    const found = `one ${kind} for ${distributions.length} distributions`;
    complain("base", { found, allowed: "one distribution", cure: "write a recipe for each" });
  }
  if (base.packages !== undefined && kind !== "mirror") {
    complain("base.packages", { found: `set, with ${kind}`, allowed: "only with a base from mirrors" });
  }
  if (base.sha256 !== undefined && kind !== "tarball") {
    complain("base.sha256", { found: `set, with ${kind}`, allowed: "only with tarball" });
  }
  const one = kind === "mirror" ? undefined : readSource(kind, base, folder, complain);
  return Object.fromEntries(
    distributions.map(({ id }) => {
      const { mirror, packages } = base;
      return [
        id,
        one ?? { kind: "mirror", distribution: id, ...(mirror && { mirror }), ...(packages && { packages }) },
      ];
    }),
  );
}

function readSource(
  kind: Exclude<(typeof kinds)[number], "mirror">,
  base: WrittenBase,
  folder: string,
  complain: (key: string, complaint: Omit<Complaint, "where">) => void,
): RecipeBase | undefined {
  const location = base[kind];
  if (typeof location !== "string") return undefined; // the schema's complaint
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(location);
  if (kind === "tarball" && isUrl) {
    if (!/^https?:/i.test(location))
      complain("base.tarball", { found: inWords(location), allowed: "a path or http(s) URL" });
    if (base.sha256 === undefined) {
      complain("base.sha256", { found: "missing", allowed: "the sha256 of the tarball, required for a URL" });
    }
    return { kind, location, sha256: base.sha256?.toLowerCase() };
  }
  const path = resolve(folder, location);
  const problem = unreadable(path, kind === "tarball" || kind === "recipe" ? "file" : "folder");
  if (problem) complain(`base.${kind}`, { found: `${inWords(location)} ${problem}` });
  if (kind === "recipe") return { kind, file: path };
  if (kind !== "tarball") return { kind, path };
  return { kind, location: path, ...(base.sha256 && { sha256: base.sha256.toLowerCase() }) };
}

function unreadable(path: string, wanted: "file" | "folder"): string | undefined {
  try {
    const isFolder = statSync(path).isDirectory();
    if (isFolder !== (wanted === "folder")) return `is not a ${wanted}`;
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}

function isMapping(value: unknown): value is WrittenBase {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
