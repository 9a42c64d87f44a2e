// The base image of a bake, in the cache.
import { existsSync } from "node:fs";
import { ensureBase } from "../base/base.ts";
import { BaseImage } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

/** Dropping it leaves the cache, which other stacks share, as it is. */
export const baseImage = implement(BaseImage, {
  async drift(_id, { path }) {
    return existsSync(path) ? "none" : "replace";
  },
  async create({ base }, { progress, signal }) {
    return { id: base.id, outputs: { base, path: await ensureBase(base, progress, signal) } };
  },
});
