// The base image of a bake, in the cache.
import { existsSync } from "node:fs";
import { ensureBase } from "../base/base.ts";
import { removeOrphanedBases } from "../base/orphaned-bases.ts";
import { BaseImage } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

/** Deleting this resource keeps the cached base, because other stacks share it. */
export const baseImage = implement(BaseImage, {
  async drift(_id, { path }) {
    return existsSync(path) ? "none" : "replace";
  },
  async create({ base }, { progress, signal }) {
    const path = await ensureBase(base, progress, signal);
    // Half a gigabyte each: the bake doesn't wait for that.
    const meanwhile = async () => void (await removeOrphanedBases());
    return { id: base.id, outputs: { base, path }, meanwhile };
  },
});
