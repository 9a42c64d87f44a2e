// Base images from a directory that holds an installed root.
import { execa } from "execa";
import { createHash } from "node:crypto";
import { access, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { cureIfPinned, needDisk } from "./base-cache.ts";
import type { BaseSource, Progress, ResolvedBase } from "../types.ts";

type DirectorySource = Extract<BaseSource, { kind: "directory" }>;

/** `resolveBase` for a directory. */
export async function resolveDirectory(source: DirectorySource, projectDirectory: string): Promise<ResolvedBase> {
  const path = resolve(projectDirectory, source.path);
  await checkDirectory(path);
  const { digest } = await digestTree(path);
  return { source: { ...source, path }, id: `directory-${digest}`, description: `directory ${path}` };
}

/** Copies the tree. @throws UserError if it has changed since it was resolved, or changes meanwhile. */
export async function buildFromDirectory(
  source: DirectorySource,
  base: ResolvedBase,
  root: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = await unchanged();
  await needDisk(bytes + 2 ** 28, "a copy of the base directory");
  progress(`copying ${source.path}`);
  const options = ["--archive", "--reflink=auto", "--one-file-system", "--no-target-directory"];
  await execa("cp", [...options, "--", source.path, root], { cancelSignal: signal });
  await unchanged();

  /** @returns the directory's bytes. @throws UserError if it is not the one that was resolved. */
  async function unchanged(): Promise<number> {
    const { digest, bytes } = await digestTree(source.path);
    if (base.id === `directory-${digest}`) return bytes;
    const cure = `run the command again while nothing changes the directory; ${cureIfPinned(base.id)}`;
    throw new UserError({ where: source.path, found: "has changed since it was first read", cure });
  }
}

/**
 * A digest of every entry's path, kind, mode, owner, size, link and modification time. Contents are not read, because
 * this runs at every preview and a root holds gigabytes. As with make and rsync, a change that keeps a file's size and
 * modification time goes unnoticed.
 */
async function digestTree(path: string): Promise<{ digest: string; bytes: number }> {
  // A directory's size depends on its history, not its content.
  const format = ["-type", "d", "-printf", "%P\\t%y %m %U %G\\0", "-o", "-printf", "%P\\t%y %m %U %G %s %T@ %l\\0"];
  const { stdout } = await execa("find", [".", "-xdev", ...format], {
    cwd: path,
    env: { LC_ALL: "C" },
    encoding: "latin1",
  });
  const entries = stdout.split("\0").filter(Boolean).sort();
  const sizes = entries.map((entry) => Number(/\tf \d+ \d+ \d+ (\d+) /.exec(entry)?.[1] ?? 0));
  return {
    digest: createHash("sha256").update(entries.join("\0"), "latin1").digest("hex"),
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

async function checkDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  const complaint = { where: path, allowed: "a directory that holds an installed root file system" };
  if (found instanceof Error) throw new UserError({ ...complaint, found: `can't be read (${found.code})` });
  if (!found.isDirectory()) throw new UserError({ ...complaint, found: "is not a directory" });
  await checkRoot(path, path);
}

/**
 * @param where The user's name for the root.
 * @throws UserError if the tree is not a root file system.
 */
export async function checkRoot(root: string, where: string): Promise<void> {
  for (const part of ["etc/passwd", "usr/bin"]) {
    await access(join(root, part)).catch(() => {
      const allowed = "an installed root file system, with /etc and /usr at its top";
      throw new UserError({ where, found: `has no ${part}`, allowed });
    });
  }
}
