// What the tests of this folder share: a real base image, and scratch views of it.
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { ensureBase, resolveBase } from "../../provider/local/base.ts";
import { enterOverlay } from "../../provider/local/overlay.ts";
import type { RootView } from "../../provider/local/root-view.ts";

/** The path of a Debian base's root, made when it isn't in the cache. Nobody may change it. */
export async function debianBase(): Promise<string> {
  const base = await resolveBase({ kind: "mirror", distribution: "debian12" }, { projectDirectory: "." });
  return ensureBase(base, () => {});
}

/** A fresh scratch view of a root; nothing of it stays but folders in `folder`. */
export async function scratchView(folder: string, base: string): Promise<RootView> {
  const scratch = await mkdtemp(join(folder, "view-"));
  const [upper, work, path] = ["upper", "work", "root"].map((name) => join(scratch, name)) as [string, string, string];
  for (const part of [upper, work, path]) await mkdir(part);
  await chmod(upper, 0o755);
  return { path, enter: enterOverlay({ lower: [base], upper, work, path }) };
}
