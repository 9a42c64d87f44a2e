// The folders of baked images: `<image directory>/<distribution>/<name>-<recipe>/` with the disk, the other formats,
// manifest.json, and proof.json once the image has been verified.
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlanDescription } from "../../../../provision/plan/explain.ts";
import { UserError } from "../../../../common/user-error.ts";
import { verifyFiles, type ImageFile } from "./disk-files.ts";
import type { GuestFacts } from "./guest-facts.ts";

/** The content of manifest.json. */
export interface Manifest {
  name: string;
  /** The recipe hash. */
  recipe: string;
  distribution: string;
  project: string;
  stack: string;
  /** The name of its builder. */
  machine: string;
  base: { id: string; description: string };
  /** The recipes it was made on top of, nearest first; missing if the base is a distribution's. */
  ancestry?: { name: string; recipe: string }[];
  /** Bytes of the disk. */
  size: number;
  /** The parts of the recipe hash; `explainChange` compares two of them. */
  plan: PlanDescription;
  packages: { name: string; version: string }[];
  /** The builder's identity, from which every machine booted from the image must differ. */
  builder: { machineId: string; hostKeys: string[]; loginKey: string };
  files: ImageFile[];
  /** Missing in older manifests. */
  guest?: GuestFacts;
  /** What sealing removed, changed and kept, with the rule of the checklist; missing in older manifests. */
  sealing?: { what: string; rule: string; path: string }[];
  /**
   * If the builder started from a layer: the names of the modules in it, the names of those that ran, the layer's
   * prefix hash, and when it was made (ISO 8601).
   */
  layer?: { modules: string[]; ran: string[]; prefix: string; createdAt: string };
  /** ISO 8601. */
  builtAt: string;
  /** True when an earlier `pulumi up` had failed on the same builder. */
  interrupted: boolean;
  /** Versions of the programs that made it, by program. */
  tools: Record<string, string>;
}

/** The result of the verification on a machine booted from the image. An image with a proof is proven. */
export interface Proof {
  /** ISO 8601. */
  verifiedAt: string;
  /**
   * The accelerator and firmware it was booted with, e.g. `qemu tcg, uefi`; `none` if the stack turned verification
   * off.
   */
  how: string;
  /** One line per check. */
  checks: string[];
}

export interface StoredImage {
  /** Absolute path of the folder. */
  path: string;
  manifest: Manifest;
  proof?: Proof;
}

/**
 * The image in a folder.
 * @returns undefined if there is none, or if one of its files is missing.
 * @throws UserError naming each file whose content differs from the manifest.
 */
export async function findImage(path: string, check: "quick" | "full" = "quick"): Promise<StoredImage | undefined> {
  const manifest = await readManifest(path);
  if (manifest === undefined || !(await allPresent(path, manifest.files))) return undefined;
  await verifyFiles(path, manifest.files, check);
  return { path, manifest, proof: await readJson<Proof>(join(path, "proof.json")) };
}

/** The folder in which an image is assembled before it is renamed. */
export function partialFolder(path: string): string {
  return `${path}.partial`;
}

/** Selects images of a stack, or of a recipe from any stack. */
export type ImageQuery = { distribution: string } & ({ project: string; stack: string } | { recipe: string });

/** The selected images of one distribution, newest first. */
export async function listImages(directory: string, { distribution, ...wanted }: ImageQuery): Promise<StoredImage[]> {
  const folder = join(directory, distribution);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const paths = names
    .filter((name) => !name.startsWith(".") && !name.endsWith(partialFolder("")))
    .map((name) => join(folder, name));
  const images = await Promise.all(
    paths.map(async (path) => {
      const manifest = await readManifest(path);
      const isWanted =
        manifest && Object.entries(wanted).every(([key, value]) => manifest[key as keyof Manifest] === value);
      // A damaged image of another stack is that stack's concern.
      return isWanted ? findImage(path) : undefined;
    }),
  );
  return images
    .filter((image) => image !== undefined)
    .sort((one, other) => other.manifest.builtAt.localeCompare(one.manifest.builtAt));
}

/** Records that an image was verified. */
export async function writeProof(path: string, proof: Proof): Promise<void> {
  const temporary = join(path, `.proof-${process.pid}`);
  await writeFile(temporary, `${JSON.stringify(proof, undefined, 2)}\n`);
  await rename(temporary, join(path, "proof.json"));
}

/** Whether the image in a folder has been verified. */
export async function isProven(path: string): Promise<boolean> {
  return (await readJson(join(path, "proof.json"))) !== undefined;
}

/** The manifest in a folder, even if the image's files are missing. */
export function readManifest(path: string): Promise<Manifest | undefined> {
  return readJson<Manifest>(join(path, "manifest.json"));
}

async function allPresent(path: string, files: readonly ImageFile[]): Promise<boolean> {
  const found = await Promise.all(files.map(({ name }) => stat(join(path, name)).catch(() => undefined)));
  return found.every((file) => file?.isFile());
}

async function readJson<T>(file: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR")
      return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new UserError({
      where: file,
      found: `is not JSON (${(error as Error).message})`,
      cure: "delete the image's folder; the next `pulumi up` bakes it again",
    });
  }
}
