// Layers in the cache: `layers/<key>/` with `tree` (what a builder had changed of its base after a module), `files` (a list of it with
// digests) and layer.json. One is complete or not there at all, and nobody needs it: whoever wants one that is gone does without.
import { createHash } from "node:crypto";
import { readdir, readFile, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseSize, sizeForm } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { tryLock } from "../file-lock.ts";
import { removeTree } from "../remove-tree.ts";
import { readState } from "../state-file.ts";
import { remove, sizesOf } from "./layer-tool.mjs";

/** Changes when layers of older versions must not be used any more. */
const layerVersion = 1;

/** What builders must have in common to share layers. */
export interface LayerPlace {
  /** The base's folder in the cache: `bases/<id>/root`. */
  base: string;
  /** Bytes of the builder's disk: modules may go by it. */
  size?: number;
  loginUser: string;
}

/** layer.json. */
export interface LayerDescription {
  version: number;
  /** The base's id. */
  base: string;
  /** Tells the base's folder from one that was made again under the same id. */
  baseIdentity: string;
  size?: number;
  loginUser: string;
  /** The hash of everything up to the last module in it. */
  prefix: string;
  /** The names of the modules in it, in order. */
  modules: string[];
  /** ISO 8601. */
  createdAt: string;
  /** The keys that its builder was born with: a builder that starts from it gets its own instead. */
  authorizedKey: string;
  hostPublicKey: string;
  entries: number;
  /** Bytes of all its files, those that it shares with other layers too. */
  bytes: number;
  /** sha256 of its list of files. */
  digest: string;
}

/** Bytes that all layers may take together. */
const usualLimit = 10 * 2 ** 30;

/**
 * Bytes that all layers may take together: `CI_IMAGES_LAYERS`, by default 10 GiB; 0 keeps and uses none.
 * @throws UserError when the variable is no size.
 */
export function layerLimit(environment: NodeJS.ProcessEnv = process.env): number {
  const text = environment.CI_IMAGES_LAYERS?.trim();
  if (!text) return usualLimit;
  const size = text === "0" ? 0 : parseSize(text);
  if (size !== undefined) return size;
  throw new UserError({
    where: "the environment variable CI_IMAGES_LAYERS",
    found: JSON.stringify(text),
    allowed: `${sizeForm}; or 0, which turns layers off`,
  });
}

/** The folder of the layer that ends with the module of this prefix hash, whether it is there or not. */
export async function layerFolder({ base, size, loginUser }: LayerPlace, prefix: string): Promise<string> {
  const content = JSON.stringify([layerVersion, baseId(base), size ?? null, loginUser, prefix]);
  const key = createHash("sha256").update(content).digest("hex").slice(0, 32);
  return join((await places()).layers, key);
}

/** The layer in a folder; undefined when there is none, or its base is not the one that is there now. */
export async function findLayer(folder: string, base: string): Promise<LayerDescription | undefined> {
  const found = await readState<LayerDescription>(join(folder, "layer.json"));
  return found && found.baseIdentity === (await identityOf(base)) ? found : undefined;
}

/**
 * How many modules a layer would spare a new builder.
 * @param prefixes The modules' prefix hashes in order.
 */
export async function countFromLayer(place: LayerPlace, prefixes: readonly string[]): Promise<number> {
  if (layerLimit() === 0) return 0;
  for (let count = prefixes.length; count > 0; count--) {
    if (await findLayer(await layerFolder(place, prefixes[count - 1]), place.base)) return count;
  }
  return 0;
}

/** What a layer is to say of itself, but for what is only known when its files are there. */
export async function describeLayer(
  place: LayerPlace,
  own: Pick<LayerDescription, "prefix" | "modules" | "authorizedKey" | "hostPublicKey">,
): Promise<Omit<LayerDescription, "entries" | "bytes" | "digest">> {
  const { base, size, loginUser } = place;
  const baseIdentity = (await identityOf(base)) ?? "";
  const createdAt = new Date().toISOString();
  return { version: layerVersion, base: baseId(base), baseIdentity, size, loginUser, ...own, createdAt };
}

/** Notes that a layer was used just now: the least recently used ones go first. */
export async function touchLayer(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch(ignoreMissing);
}

/** A layer as people see it. */
export interface ListedLayer extends LayerDescription {
  folder: string;
  /** ISO 8601. */
  usedAt: string;
  /** Bytes that it takes beside those used more recently. */
  own: number;
}

/** All layers, the most recently used first. Folders that are no layers are left out. */
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
export function removeLayer(folder: string): void {
  remove(folder);
}

/** Removes what processes that were killed left half-written or half-removed. */
export async function removeLayerLeftovers(): Promise<void> {
  const { layers } = await places();
  for (const name of await readdir(layers)) {
    if (name.startsWith(".removed-")) await removeTree(join(layers, name));
    const [, id] = /^\.new-([0-9a-f-]+)(?:\.lock)?$/.exec(name) ?? [];
    // Whoever still writes it holds its lock.
    if (id !== undefined) await tryLock(lockOf(layers, id), () => removeTree(join(layers, `.new-${id}`)));
  }
}

/** Where a layer is written before it gets its name, and the lock that its writer holds. */
export function unfinishedLayer(layers: string, id: string): { target: string; lock: string } {
  return { target: join(layers, `.new-${id}`), lock: lockOf(layers, id) };
}

function lockOf(layers: string, id: string): string {
  return join(layers, `.new-${id}.lock`);
}

function baseId(base: string): string {
  return basename(dirname(base));
}

/** A base that was removed and made again has the same id and perhaps other files. */
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
