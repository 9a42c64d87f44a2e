// The base image of a bake, in the cache.
import { existsSync } from "node:fs";
import { ensureBase } from "../base/base.ts";
import type { ResolvedBase } from "../types.ts";
import type { ResourceType } from "../../../../provider/resource.ts";

export interface BaseImageInputs {
  /** A base source with its content pinned, as the function resolveBase gave it. */
  base: ResolvedBase;
}

export interface BaseImageState extends BaseImageInputs {
  /** The cached root file system: a folder that is never changed. */
  path: string;
}

/** `ci-images:local:BaseImage`: dropping it leaves the cache, which other stacks share, as it is. */
export const baseImage: ResourceType<BaseImageInputs, BaseImageState> = {
  token: "ci-images:local:BaseImage",
  inputs: { type: "object", properties: { base: { type: "object", required: ["source", "id"] } }, required: ["base"] },
  replaceOn: ["base"],
  async drift(_id, { path }) {
    return existsSync(path) ? "none" : "replace";
  },
  async create({ base }, { progress, signal }) {
    return { id: base.id, outputs: { base, path: await ensureBase(base, progress, signal) } };
  },
};
