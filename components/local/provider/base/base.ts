// Base images: the installed root file systems that builders start from. Resolving pins a source's content without
// changing anything; ensuring puts the content into the cache.
import { ensureCached } from "./base-cache.ts";
import { buildFromDirectory, resolveDirectory } from "./base-directory.ts";
import { buildFromImage, resolveImage } from "./base-image.ts";
import { buildFromMirror, resolveMirror, specificationOf } from "./base-mirror.ts";
import { buildFromTarball, resolveTarball } from "./base-tarball.ts";
import type { Progress, ResolvedBase, BaseSource } from "../types.ts";

/** A base with pinned content, and a notice for the user. */
export interface BaseResolution extends ResolvedBase {
  /** For example, that the mirror does not answer and an older base is used. */
  notice?: string;
}

/**
 * Pins a base source's content. Fast (fetches one small file from a mirror), and changes nothing.
 * @param options.projectDirectory The base of relative paths in the source.
 * @throws UserError if the source can't be read, or doesn't match its checksum.
 */
export async function resolveBase(source: BaseSource, options: { projectDirectory: string }): Promise<BaseResolution> {
  switch (source.kind) {
    case "mirror":
      return await resolveMirror(source);
    case "tarball":
      return await resolveTarball(source, options.projectDirectory);
    case "directory":
      return await resolveDirectory(source, options.projectDirectory);
    case "image":
      return await resolveImage(source, options.projectDirectory);
  }
}

/**
 * Puts a base into the cache if it is missing. If several processes request the same one, one makes it and the others
 * wait.
 * @returns the path of its root file system, a plain tree that must not be changed.
 * @throws UserError if the content has changed since it was resolved, the disk is full, or we are not root.
 */
export async function ensureBase(base: ResolvedBase, progress: Progress, signal?: AbortSignal): Promise<string> {
  const specification = base.source.kind === "mirror" ? specificationOf(base.source) : undefined;
  return await ensureCached(
    { ...base, specification },
    (root) => build(base, root, progress, signal),
    progress,
    signal,
  );
}

async function build(base: ResolvedBase, root: string, progress: Progress, signal?: AbortSignal): Promise<void> {
  const { source } = base;
  switch (source.kind) {
    case "mirror":
      return await buildFromMirror(source, base, root, progress, signal);
    case "tarball":
      return await buildFromTarball(source, base, root, progress, signal);
    case "directory":
      return await buildFromDirectory(source, base, root, progress, signal);
    case "image":
      return await buildFromImage(source, base, root, progress, signal);
  }
}
