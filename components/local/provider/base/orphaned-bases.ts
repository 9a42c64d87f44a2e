// Removes bases that were read from images which no longer exist, half a gigabyte each: nothing can start from them.
import { existsSync } from "node:fs";
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { tryLock } from "../file-lock.ts";
import { listLayers, removeLayer } from "../layers/layer-store.ts";
import { machineDirectory, machineNames, readRecord } from "../machine/machine-record.ts";
import { removeTree } from "../remove-tree.ts";
import type { ResolvedBase } from "../types.ts";
import { cachedBases } from "./base-cache.ts";
import { diskDigest, imageBaseId } from "./base-image.ts";

/**
 * Removes them with their layers. One that a builder runs on stays until that is gone.
 * @returns their descriptions.
 */
export async function removeOrphanedBases(): Promise<string[]> {
  const { bases } = await places();
  const removed: string[] = [];
  for (const base of await cachedBases()) {
    if (!(await isOrphaned(base))) continue;
    const entry = join(bases, base.id);
    // Whoever makes a base, or removes it, holds this lock. The other name is that of an unfinished one.
    await tryLock(`${entry}.lock`, async () => {
      // Another deletion may have removed it just now.
      if (!existsSync(entry) || (await isInUse(join(entry, "root")))) return;
      const unfinished = join(bases, `.${base.id}.new`);
      await removeTree(unfinished);
      await rename(entry, unfinished);
      for (const layer of await listLayers()) if (layer.base === base.id) await removeLayer(layer.folder);
      await removeTree(unfinished);
      removed.push(base.description);
    });
  }
  return removed;
}

async function isOrphaned({ id, source }: ResolvedBase): Promise<boolean> {
  if (source.kind !== "image") return false;
  try {
    const manifest = JSON.parse(await readFile(join(source.path, "manifest.json"), "utf8")) as Parameters<
      typeof diskDigest
    >[0];
    const digest = diskDigest(manifest);
    return digest === undefined || imageBaseId(digest) !== id;
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

async function isInUse(root: string): Promise<boolean> {
  for (const name of await machineNames()) {
    const record = await readRecord(await machineDirectory(name));
    if (record?.guest.kind === "container" && record.guest.base === root) return true;
  }
  return false;
}
