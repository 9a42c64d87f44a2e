// The cache of base images: `bases/<id>/root`, named by content. An entry is complete or absent.
import { execa } from "execa";
import { mkdir, readdir, readFile, rename, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inGibibytes } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { tryLock, withLock } from "../file-lock.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { removeTree } from "../remove-tree.ts";
import type { Progress, ResolvedBase } from "../types.ts";

/** The content of `bases/<id>/base.json`. */
export interface CachedBase extends ResolvedBase {
  /** A hash of the request, the same whatever the mirror had that day. */
  specification?: string;
  /** ISO 8601. */
  createdAt: string;
}

/**
 * Returns the root of a cached base, and makes it with `build` if it is missing. It is made under a temporary name and
 * renamed once it is complete and synced, so a failed or killed `build` leaves nothing that could be used.
 * @returns the root's path.
 */
export async function ensureCached(
  base: ResolvedBase & { specification?: string },
  build: (root: string) => Promise<void>,
  progress: Progress,
  signal?: AbortSignal,
): Promise<string> {
  const { bases } = await places();
  await removeLeftovers(bases, progress);
  const entry = join(bases, base.id);
  if (await readEntry(entry)) return join(entry, "root");
  const waiting = () => progress(`waiting for another process that is making the base ${base.description}`);
  const make = async (): Promise<void> => {
    if (await readEntry(entry)) return;
    if (process.getuid?.() !== 0) throw notRoot();
    const unfinished = join(bases, `.${base.id}.new`);
    await removeTree(unfinished);
    await mkdir(join(unfinished, "root"), { recursive: true });
    try {
      await build(join(unfinished, "root"));
      const { id, description, source, specification } = base;
      const record: CachedBase = { id, description, source, specification, createdAt: new Date().toISOString() };
      await writeFile(join(unfinished, "base.json"), JSON.stringify(record, undefined, 2));
      // After a power failure the new name must not point to content that never reached the disk.
      await execa("sync", ["--file-system", unfinished], { cancelSignal: signal });
    } catch (error) {
      await removeTree(unfinished);
      throw error;
    }
    await rename(unfinished, entry);
  };
  await withLock(`${entry}.lock`, make, { signal, onWait: waiting });
  return join(entry, "root");
}

/** All complete entries of the cache, newest first. */
export async function cachedBases(): Promise<CachedBase[]> {
  const { bases } = await places();
  const entries = await Promise.all((await readdir(bases)).map((name) => readEntry(join(bases, name))));
  return entries
    .filter((entry) => entry !== undefined)
    .sort((one, other) => other.createdAt.localeCompare(one.createdAt));
}

/** @throws UserError if fewer than `bytes` are free on the cache's disk. */
export async function needDisk(bytes: number, what: string): Promise<void> {
  const { bases } = await places();
  const { bavail, bsize } = await statfs(bases);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new UserError({
    where: bases,
    found: `${inGibibytes(free)} of free disk`,
    allowed: `at least ${inGibibytes(bytes)} for ${what}`,
    cure: "free some, or set CI_IMAGES_CACHE to a folder on a larger disk",
  });
}

/** Another cure, if the source has changed since the stack pinned it. @param id The base's. */
export function cureIfPinned(id: string): string {
  return `if the stack sets \`ci-images:base: pinned\`, set \`latest\`, or put bases/${id} back into the cache`;
}

function notRoot(): UserError {
  return new UserError({
    where: "making a base image",
    found: `runs as user ${process.getuid?.()}`,
    allowed: "root: the files in it belong to many users",
    cure: "run it with sudo",
  });
}

/** Removes entries that killed processes left unfinished. A process that is still at work holds the entry's lock. */
async function removeLeftovers(bases: string, progress: Progress): Promise<void> {
  for (const name of await readdir(bases)) {
    const [, id] = /^\.(.+)\.new$/.exec(name) ?? [];
    if (id === undefined) continue;
    const problem = await problemOf(tryLock(join(bases, `${id}.lock`), () => removeTree(join(bases, name))));
    if (problem !== undefined) progress(`could not remove an unfinished base image: ${problem}`);
  }
}

async function readEntry(entry: string): Promise<CachedBase | undefined> {
  try {
    return JSON.parse(await readFile(join(entry, "base.json"), "utf8")) as CachedBase;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
