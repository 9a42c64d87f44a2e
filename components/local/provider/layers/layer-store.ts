// The layer cache. `layers/<key>/` has `tree` (a builder's changes to its base after a module), `files` (a list of them
// with digests) and layer.json. A layer is complete or absent, and always optional: without one, the modules run.
import { createHash } from "node:crypto";
import { readdir, readFile, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseSize, sizeForm } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { tryLock } from "../file-lock.ts";
import { removeTree } from "../remove-tree.ts";
import { readState } from "../state-file.ts";
import type { Progress } from "../types.ts";
import { remove, sizesOf } from "./layer-tool.mjs";

/** Increased when layers of older versions must no longer be used. */
const layerVersion = 1;

/** What builders must have in common to share layers. */
export interface LayerPlace {
  /** The base's folder in the cache: `bases/<id>/root`. */
  base: string;
  /** Bytes of the builder's disk: a module's result may depend on it. */
  size?: number;
  loginUser: string;
}

/** The content of layer.json. */
export interface LayerDescription {
  version: number;
  /** The base's id. */
  base: string;
  /** Differs if the base was made again under the same id. */
  baseIdentity: string;
  size?: number;
  loginUser: string;
  /** The hash of everything up to the last module in it. */
  prefix: string;
  /** The names of the modules in it, in order. */
  modules: string[];
  /** ISO 8601. */
  createdAt: string;
  /** The keys of its builder, which a builder that starts from the layer replaces with its own. */
  authorizedKey: string;
  hostPublicKey: string;
  entries: number;
  /** Bytes of all its files, including those it shares with other layers. */
  bytes: number;
  /** sha256 of its list of files. */
  digest: string;
}

const defaultLimit = 10 * 2 ** 30;

/**
 * The most bytes that all layers may take together: `CI_IMAGES_LAYERS`, default 10 GiB. 0 turns layers off.
 * @throws UserError if the variable is not a size.
 */
export function layerLimit(environment: NodeJS.ProcessEnv = process.env): number {
  const text = environment.CI_IMAGES_LAYERS?.trim();
  if (!text) return defaultLimit;
  const size = text === "0" ? 0 : parseSize(text);
  if (size !== undefined) return size;
  throw new UserError({
    where: "the environment variable CI_IMAGES_LAYERS",
    found: JSON.stringify(text),
    allowed: `${sizeForm}; or 0, which turns layers off`,
  });
}

/** The folder for the layer that ends with the module of this prefix hash. It need not exist. */
export async function layerFolder({ base, size, loginUser }: LayerPlace, prefix: string): Promise<string> {
  const content = JSON.stringify([layerVersion, baseId(base), size ?? null, loginUser, prefix]);
  const key = createHash("sha256").update(content).digest("hex").slice(0, 32);
  return join((await places()).layers, key);
}

/** The layer in a folder; undefined if there is none, or if its base was made again since. */
export async function findLayer(folder: string, base: string): Promise<LayerDescription | undefined> {
  const found = await readState<LayerDescription>(join(folder, "layer.json"));
  return found && found.baseIdentity === (await identityOf(base)) ? found : undefined;
}

/**
 * How many modules a new builder could take from a layer.
 * @param prefixes The modules' prefix hashes in order.
 */
export async function countFromLayer(place: LayerPlace, prefixes: readonly string[]): Promise<number> {
  if (layerLimit() === 0) return 0;
  for (let count = prefixes.length; count > 0; count--) {
    if (await findLayer(await layerFolder(place, prefixes[count - 1]), place.base)) return count;
  }
  return 0;
}

/** A layer's description, without the fields that depend on its files. */
export async function describeLayer(
  place: LayerPlace,
  own: Pick<LayerDescription, "prefix" | "modules" | "authorizedKey" | "hostPublicKey">,
): Promise<Omit<LayerDescription, "entries" | "bytes" | "digest">> {
  const { base, size, loginUser } = place;
  const baseIdentity = (await identityOf(base)) ?? "";
  const createdAt = new Date().toISOString();
  return { version: layerVersion, base: baseId(base), baseIdentity, size, loginUser, ...own, createdAt };
}

/** Marks a layer as just used. The least recently used layers are removed first. */
export async function touchLayer(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch(ignoreMissing);
}

/** A layer for people to read about. */
export interface ListedLayer extends LayerDescription {
  folder: string;
  /** ISO 8601. */
  usedAt: string;
  /** Bytes that it takes in addition to the layers used more recently. */
  own: number;
}

/** All layers, most recently used first. Ignores folders that are not layers. */
export async function listLayers(): Promise<ListedLayer[]> {
  const { layers } = await places();
  const found = sizesOf(layers).map(async ({ name, usedAt, bytes }) => {
    const folder = join(layers, name);
    const description = await readState<LayerDescription>(join(folder, "layer.json"));
    return description && { ...description, folder, usedAt: new Date(usedAt).toISOString(), own: bytes };
  });
  return (await Promise.all(found)).filter((layer) => layer !== undefined);
}

/** Removes a layer. No-op if it no longer exists. */
export async function removeLayer(folder: string): Promise<void> {
  remove(folder);
}

/**
 * Removes layers that killed processes left half-written or half-removed. What can't be removed is only reported: all
 * projects of a user share the layers, and that must not stop their bakes.
 */
export async function removeLayerLeftovers(progress: Progress): Promise<void> {
  const { layers } = await places();
  for (const name of (await readdir(layers)).sort()) {
    const problem = await problemOf(removeLeftover(layers, name));
    if (problem !== undefined) progress(`could not remove what is left of a layer: ${problem}`);
  }
}

async function removeLeftover(layers: string, name: string): Promise<void> {
  if (name.startsWith(".removed-")) await removeTree(join(layers, name));
  const [, id] = /^\.new-([0-9a-f-]+)(?:\.lock)?$/.exec(name) ?? [];
  // A writer that is still alive holds the lock.
  if (id !== undefined) await tryLock(lockOf(layers, id), () => removeTree(join(layers, `.new-${id}`)));
}

/** The folder in which a layer is written before it gets its name, and its writer's lock. */
export function unfinishedLayer(layers: string, id: string): { target: string; lock: string } {
  return { target: join(layers, `.new-${id}`), lock: lockOf(layers, id) };
}

function lockOf(layers: string, id: string): string {
  return join(layers, `.new-${id}.lock`);
}

function baseId(base: string): string {
  return basename(dirname(base));
}

/** Identifies a base's folder: a base that was removed and made again has the same id, but may have other files. */
async function identityOf(base: string): Promise<string | undefined> {
  const status = await stat(base, { bigint: true }).catch(ignoreMissing);
  if (!status) return undefined;
  const record = await readFile(join(dirname(base), "base.json"), "utf8").catch(ignoreMissing);
  return `${status.ino} ${status.birthtimeNs} ${createHash("sha256")
    .update(record ?? "")
    .digest("hex")
    .slice(0, 16)}`;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
