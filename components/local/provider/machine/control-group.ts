// The control group that holds all of a machine: its supervisor, its network, its guest. It is no file in the machine's folder, so a
// supervisor that was killed leaves it behind, empty.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

// Where the second version of control groups is mounted: alone, or beside the first.
const roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** The slice in which systemd keeps containers and virtual machines. */
const slice = "machine.slice";

/** The script that moves a process into its group. */
export const enterControlGroup = fileURLToPath(new URL("./enter-control-group.sh", import.meta.url));

/** What the control group of the machine in this folder is called; the name of a scope begins with it. */
export function controlGroupOf(directory: string): string {
  return `ci-images-${createHash("sha256").update(directory).digest("hex").slice(0, 16)}`;
}

/** How a computer keeps control groups. */
export interface ControlGroups {
  /** Where the second version is mounted; undefined where it is not. */
  root: string | undefined;
  /** Whether systemd is process 1, and so the master of all groups. */
  bySystemd: boolean;
}

function ofThisComputer(): ControlGroups {
  return {
    root: roots.find((each) => existsSync(join(each, "cgroup.controllers"))),
    bySystemd: existsSync("/run/systemd/system"),
  };
}

/**
 * A command line whose process, and all that it starts, is in the machine's own control group. It would otherwise be in that of the
 * login session or service that we run in, and end with it (`KillUserProcesses=yes`, `loginctl terminate-session`). Where systemd
 * is process 1 it makes the group, as a scope, and hands all controllers to it.
 * @param directory The machine's folder.
 */
export function inControlGroup(
  directory: string,
  command: string[],
  { root, bySystemd }: ControlGroups = ofThisComputer(),
): string[] {
  // The supervisor mounts what is missing, and makes the group there.
  if (root === undefined) return command;
  const name = controlGroupOf(directory);
  if (!bySystemd) return ["sh", enterControlGroup, root, name, ...command];
  // One of this name that has just ended may not be gone yet.
  const unit = `${name}-${Date.now().toString(36)}`;
  const scope = ["systemd-run", "--scope", "--quiet", "--collect", `--unit=${unit}`, `--slice=${slice}`];
  const properties = ["Delegate=yes", "TasksMax=infinity"].map((property) => `--property=${property}`);
  return [...scope, ...properties, "--", "sh", enterControlGroup, root, "", ...command];
}

/** Removes the control group of the machine in this folder, when there is one. Its processes must have ended. */
export async function removeControlGroup(directory: string): Promise<void> {
  const name = controlGroupOf(directory);
  for (const root of roots) {
    await removeTree(join(root, name));
    const scopes = (await readdir(join(root, slice)).catch(ignoreMissing)) ?? [];
    for (const scope of scopes) if (scope.startsWith(name)) await removeTree(join(root, slice, scope));
  }
}

/** Milliseconds that the kernel may take to clean up after killed processes: on a busy computer, with much to write, it is many seconds. */
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
      // Processes that were killed stay in their group until then, and a guest that ends may have made another group.
      if (code !== "EBUSY" || Date.now() > deadline) throw error;
      await delay(20);
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
