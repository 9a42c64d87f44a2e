// Keeps what a builder has changed so far as a layer.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { overlayOf } from "../machine/boot.ts";
import { machineDirectory, readRecord } from "../machine/machine-record.ts";
import { findSupervisor } from "../machine/supervisor.ts";
import { childrenOf } from "../processes.ts";
import { readState, writeState } from "../state-file.ts";
import type { Progress } from "../types.ts";
import { fixedCost, type Copied } from "./layer-tool.mjs";
import {
  describeLayer,
  findLayer,
  layerFolder,
  layerLimit,
  removeLayerLeftovers,
  touchLayer,
  unfinishedLayer,
} from "./layer-store.ts";
import { indexOf, layerStateFile, type LayerState } from "./layer-state.ts";

/** Bytes of disk that layers leave free for the rest of the bake. */
const reserve = 2 * 2 ** 30;

/** What to keep. */
export interface LayerToKeep {
  /** The builder's name. */
  machine: string;
  /** The hash of everything up to the module that has just run. */
  prefix: string;
  /** The names of the modules up to it, in order. */
  modules: string[];
}

/**
 * Keeps a running builder's changes as a layer, if copying them takes less time than the modules since the last layer
 * did. The builder is frozen during the copy. Layers are optional: the first failure is reported, and the bake goes on.
 */
export async function keepLayer(wanted: LayerToKeep, progress: Progress, signal: AbortSignal): Promise<void> {
  const { machine, prefix } = wanted;
  const directory = await machineDirectory(machine);
  const file = layerStateFile(directory);
  const state = await readState<LayerState>(file);
  const limit = layerLimit();
  // Builders made by older versions have no such file.
  if (!state || state.problem !== undefined || limit === 0) return;
  if (state.from?.prefixes.includes(prefix)) {
    await writeState(file, { ...state, since: Date.now() });
    return;
  }
  const layer = await layerFolder(state.place, prefix);
  if (await findLayer(layer, state.place.base)) {
    await touchLayer(layer);
    await writeState(file, { ...state, since: Date.now() });
    return;
  }
  // The copy would be skipped: don't start the process that decides so.
  if (Date.now() - state.since < fixedCost * 1000) return;
  await removeLayerLeftovers(progress);
  const copied = await copy(directory, state, layer, wanted, limit, signal);
  if (copied.did === "skipped") return;
  await writeState(file, { ...state, since: Date.now(), ...(copied.did === "failed" && { problem: copied.reason }) });
  if (copied.did === "failed") progress(`this bake goes on without layers: ${copied.reason}`);
  else {
    const { bytes, fresh, held } = copied;
    progress(
      `kept as a layer: ${mebibytes(bytes)}, ${mebibytes(fresh)} of it new; the builder was held for ${held.toFixed(2)} s`,
    );
  }
}

async function copy(
  directory: string,
  state: LayerState,
  layer: string,
  { prefix, modules }: LayerToKeep,
  limit: number,
  signal: AbortSignal,
): Promise<Copied> {
  const record = await readRecord(directory);
  const supervisor = await findSupervisor(directory);
  const [inner] = supervisor ? await childrenOf(supervisor.pid) : [];
  if (record?.guest.kind !== "container" || inner === undefined)
    return { did: "failed", reason: "the builder is gone" };
  const { target, lock } = unfinishedLayer((await places()).layers, randomUUID());
  const { hostPublicKey } = record.guest;
  const { upper } = overlayOf(directory, record.guest.base);
  const index = indexOf(directory);
  const spent = (Date.now() - state.since) / 1000;
  const description = await describeLayer(state.place, {
    prefix,
    modules,
    hostPublicKey,
    authorizedKey: record.authorizedKey,
  });
  const requests = [
    { upper, target, index, spent, reserve, limit },
    { target, index, description, layer, limit },
  ] as const;
  const [copyRequest, finishRequest] = requests.map((request) => JSON.stringify(request)) as [string, string];
  const words = [
    join(directory, "layers.lock"),
    lock,
    String(inner),
    process.execPath,
    program,
    copyRequest,
    target,
    finishRequest,
  ];
  const log = await open(join(directory, "layers.log"), "a", 0o600);
  try {
    // Detached: it must thaw the builder even if we are killed.
    const child = spawn("sh", [script, ...words], { stdio: ["ignore", "pipe", log.fd], detached: true });
    const stdout = child.stdout as Readable;
    const ended = once(child, "close").then(() => undefined);
    child.unref();
    const answer = once(createInterface(stdout), "line", { signal }).then(([line]) => line as string);
    const line = await Promise.race([answer, ended]);
    stdout.destroy();
    return line === undefined
      ? { did: "failed", reason: `it could not be copied, see ${directory}/layers.log` }
      : (JSON.parse(line) as Copied);
  } finally {
    await log.close();
  }
}

const program = fileURLToPath(new URL("./layer-tool.mjs", import.meta.url));
const script = fileURLToPath(new URL("./keep-layer.sh", import.meta.url));

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
