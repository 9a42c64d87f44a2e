// The control group that a container's supervisor made (supervise.mjs); it is no file in the machine's folder, so a
// supervisor that was killed leaves it behind, empty.
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { controlGroupOf } from "./container.ts";

// Where the second version of control groups is mounted: alone, or beside the first.
const roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** Removes the control group of the machine in this folder, when there is one. Its processes must have ended. */
export async function removeControlGroup(directory: string): Promise<void> {
  for (const root of roots) await removeTree(join(root, controlGroupOf(directory)));
}

async function removeTree(group: string): Promise<void> {
  const entries = await readdir(group, { withFileTypes: true }).catch(ignoreMissing);
  for (const entry of entries ?? []) if (entry.isDirectory()) await removeTree(join(group, entry.name));
  for (let patience = 100; entries !== undefined; patience--) {
    try {
      return await rmdir(group);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      // Processes that were killed stay in their group until the kernel has cleaned up after them.
      if (code !== "EBUSY" || patience === 0) throw error;
      await delay(20);
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
