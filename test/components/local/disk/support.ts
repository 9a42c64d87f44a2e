// Shared by the tests of this folder.
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { dirname, join } from "node:path";
import { enterOverlay } from "../../../../components/local/provider/overlay.ts";
import { inView, type RootView } from "../../../../components/local/provider/disk/root-view.ts";

/**
 * Opens a fresh scratch view of a root. It only leaves folders in `folder`.
 * @param lower The root's layers, the topmost first.
 */
export async function scratchView(folder: string, ...lower: string[]): Promise<RootView> {
  const scratch = await mkdtemp(join(folder, "view-"));
  const [upper, work, path] = ["upper", "work", "root"].map((name) => join(scratch, name)) as [string, string, string];
  for (const part of [upper, work, path]) await mkdir(part);
  await chmod(upper, 0o755);
  return { path, enter: enterOverlay({ lower, upper, work, path }) };
}

/**
 * A small root with a kernel and everything that a disk is made from: a base without the bulk of its programs' data.
 * @returns its layers, for `scratchView`.
 */
export async function smallRoot(folder: string, base: string): Promise<string[]> {
  const view = await scratchView(folder, base);
  await inView(view, [
    "sh",
    "-euc",
    "rm -r /usr/share/* /usr/lib/modules /usr/lib/python3* /usr/lib/udev/hwdb* /usr/lib/*/gconv /usr/lib/*/perl*",
  ]);
  return [join(dirname(view.path), "upper"), base];
}
