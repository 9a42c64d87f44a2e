// What bakes of a stack left behind on this computer.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { reapMachines } from "../machine/machines.ts";
import { problemOf } from "../../../../provider/kit/problem-of.ts";
import { removeTree } from "../remove-tree.ts";
import { partialFolder } from "../disk/image-store.ts";
import type { FunctionType } from "../../../../provider/resource.ts";

interface SweepInputs {
  project: string;
  stack: string;
  /** The image directory. */
  home: string;
  /** Seconds that a bake may take. */
  lifetime: number;
  /** False only looks. */
  remove: boolean;
}

interface Leftover {
  kind: "machine" | "unfinished image";
  name: string;
  reason: string;
  /** Why it could not be removed. */
  problem?: string;
}

/**
 * `ci-images:local:sweep`: machines past their deadline or broken, and folders of images that were never finished. One that
 * can't be removed does not keep the others.
 */
export const localSweep: FunctionType<SweepInputs, { leftovers: Leftover[] }> = {
  token: "ci-images:local:sweep",
  async call({ project, stack, home, lifetime, remove }) {
    const machines = await reapMachines({ project, stack, home }, remove);
    const folders = await unfinished(home, lifetime);
    for (const folder of remove ? folders : []) folder.problem = await problemOf(removeTree(folder.name));
    return { leftovers: [...machines.map((each) => ({ kind: "machine" as const, ...each })), ...folders] };
  },
};

/** A younger one may belong to a bake that goes on. */
async function unfinished(home: string, lifetime: number): Promise<Leftover[]> {
  const distributions = await readdir(home).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found = await Promise.all(
    distributions.map(async (distribution) => {
      const entries = await readdir(join(home, distribution), { withFileTypes: true }).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === "ENOTDIR") return [];
          throw error;
        },
      );
      const partial = entries.filter((entry) => entry.isDirectory() && entry.name.endsWith(partialFolder("")));
      return partial.map((entry) => join(home, distribution, entry.name));
    }),
  );
  const aged = await Promise.all(
    found.flat().map(async (name) => ({ name, seconds: (Date.now() - (await stat(name)).mtimeMs) / 1000 })),
  );
  return aged
    .filter(({ seconds }) => seconds > lifetime)
    .map(({ name, seconds }) => {
      const reason = `an image that was begun ${Math.round(seconds / 3600)} hours ago and never finished`;
      return { kind: "unfinished image" as const, name, reason };
    });
}
