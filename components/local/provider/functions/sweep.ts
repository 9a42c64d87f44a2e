// Sweeps what a stack's bakes left behind on this computer.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { reapMachines } from "../machine/machines.ts";
import { removeTree } from "../remove-tree.ts";
import { partialFolder } from "../disk/image-store.ts";
import { sweep } from "../../contract.ts";
import { sweepPlaces } from "../../../../provider/kit/sweep.ts";
import { answer } from "../../../../provider/resource.ts";

export const localSweep = answer(sweep, async ({ project, stack, home, lifetime, remove }) => {
  const machines = await reapMachines({ project, stack, home }, remove);
  const folders = { find: () => unfinished(home, lifetime), remove: ({ name }: Leftover) => removeTree(name) };
  const swept = await sweepPlaces({ remove }, [folders]);
  return { leftovers: [...machines.map((each) => ({ kind: "machine" as const, ...each })), ...swept.leftovers] };
});

type Leftover = Awaited<ReturnType<typeof unfinished>>[number];

/** Folders of unfinished images older than the longest bake. Younger ones may belong to a running bake. */
async function unfinished(home: string, lifetime: number) {
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
      const reason = `an image that was started ${Math.round(seconds / 3600)} hours ago and never finished`;
      return { kind: "unfinished image" as const, name, reason };
    });
}
