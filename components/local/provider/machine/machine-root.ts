// A scratch view of a stopped builder's root file system, to make an image from.
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { execa } from "execa";
import { overlayOf } from "./boot.ts";
import { machineDirectory, readRecord } from "./machine-record.ts";
import { enterDisk, holdOverlay, type Overlay } from "../overlay.ts";
import { removeTree } from "../remove-tree.ts";
import type { RootView } from "../disk/root-view.ts";
import { findSupervisor } from "./supervisor.ts";

/** A view of a builder's root that can be written to without changing the builder. */
export interface MachineRootView extends RootView {
  /** Discards the view, with everything written to it. */
  dispose(): Promise<void>;
}

/**
 * Opens a view of a stopped builder's root file system. Programs started with the prefix `enter` see it at `path`, and
 * what others have written there, until `dispose`. The builder never changes.
 * @throws Error if there is no builder of that name, or it is running.
 */
export async function rootView(name: string): Promise<MachineRootView> {
  const directory = await machineDirectory(name);
  const record = await readRecord(directory);
  if (record?.guest.kind !== "container") throw new Error(`there is no builder ${name}`);
  if (await findSupervisor(directory)) throw new Error(`${name} is running; stop it first`);
  const builder = overlayOf(directory, record.guest.base);
  const folder = join(directory, `view-${randomUUID()}`);
  const [upper, work, path] = ["upper", "work", "root"].map((part) => join(folder, part)) as [string, string, string];
  await mkdir(folder);
  for (const part of [work, path, upper]) await mkdir(part);
  await chmod(upper, await modeOf(builder));
  const lower = [builder.upper, ...builder.lower];
  const { enter, release } = await holdOverlay({ ...builder, lower, upper, work, path });
  return {
    path,
    base: record.guest.base,
    enter,
    async dispose() {
      await release();
      await removeTree(folder);
    },
  };
}

/** The mode of the root folder, which modules may have changed. */
async function modeOf({ disk, upper }: Overlay): Promise<number> {
  if (!disk) return (await stat(upper)).mode & 0o7777;
  const [command, ...words] = enterDisk(disk);
  const { stdout } = await execa(command, [...words, "stat", "--format=%a", upper]);
  return Number.parseInt(stdout, 8);
}
