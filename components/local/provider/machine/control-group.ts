// The control group of a machine, with its supervisor, its network and its guest. A killed supervisor leaves the group
// behind, empty; removing the machine's folder does not remove it.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

// Mount points of control groups version 2: alone, or beside version 1.
const roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** The slice in which systemd keeps containers and virtual machines. */
const slice = "machine.slice";

/** The script that moves a process into its group. */
export const enterControlGroup = fileURLToPath(new URL("./enter-control-group.sh", import.meta.url));

/** The name of the machine's control group. A scope's name begins with it. */
export function controlGroupOf(directory: string): string {
  return `ci-images-${createHash("sha256").update(directory).digest("hex").slice(0, 16)}`;
}

/** A computer's control group setup. */
export interface ControlGroups {
  /** Where version 2 is mounted; undefined if it is not. */
  root: string | undefined;
  /** Whether systemd is process 1, and so owns all groups. */
  bySystemd: boolean;
}

function ofThisComputer(): ControlGroups {
  return {
    root: roots.find((each) => existsSync(join(each, "cgroup.controllers"))),
    bySystemd: existsSync("/run/systemd/system"),
  };
}

/**
 * Wraps a command so that its process, and all its children, run in the machine's own control group. Otherwise they
 * would be in the group of our login session or service, and end with it (`KillUserProcesses=yes`, `loginctl
 * terminate-session`). If systemd is process 1, it makes the group, as a scope with all controllers delegated.
 * @param directory The machine's folder.
 */
export function inControlGroup(
  directory: string,
  command: string[],
  { root, bySystemd }: ControlGroups = ofThisComputer(),
): string[] {
  // The supervisor then mounts version 2, and makes the group there.
  if (root === undefined) return command;
  const name = controlGroupOf(directory);
  if (!bySystemd) return ["sh", enterControlGroup, root, name, ...command];
  // A unique name, because a scope that has just ended may still exist.
  const unit = `${name}-${Date.now().toString(36)}`;
  const scope = ["systemd-run", "--scope", "--quiet", "--collect", `--unit=${unit}`, `--slice=${slice}`];
  const properties = ["Delegate=yes", "TasksMax=infinity"].map((property) => `--property=${property}`);
  return [...scope, ...properties, "--", "sh", enterControlGroup, root, "", ...command];
}

/** Removes the machine's control group, if there is one. Its processes must have ended. */
export async function removeControlGroup(directory: string): Promise<void> {
  const name = controlGroupOf(directory);
  for (const root of roots) {
    await removeTree(join(root, name));
    const scopes = (await readdir(join(root, slice)).catch(ignoreMissing)) ?? [];
    for (const scope of scopes) if (scope.startsWith(name)) await removeTree(join(root, slice, scope));
  }
}

/** Milliseconds the kernel gets to clean up after killed processes: many seconds on a computer that is busy writing. */
const patience = 60_000;

async function removeTree(group: string, deadline = Date.now() + patience): Promise<void> {
  for (;;) {
    const entries = (await readdir(group, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
    for (const entry of entries) if (entry.isDirectory()) await removeTree(join(group, entry.name), deadline);
    try {
      return await rmdir(group);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      // Killed processes stay in their group for a while, and a guest that is ending may have made another group.
      if (code !== "EBUSY" || Date.now() > deadline) throw error;
      await delay(20);
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
