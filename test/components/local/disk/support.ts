// Shared by the tests of this folder.
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { enterOverlay } from "../../../../components/local/provider/overlay.ts";
import type { RootView } from "../../../../components/local/provider/disk/root-view.ts";

/** Opens a fresh scratch view of a root. It only leaves folders in `folder`. */
export async function scratchView(folder: string, base: string): Promise<RootView> {
  const scratch = await mkdtemp(join(folder, "view-"));
  const [upper, work, path] = ["upper", "work", "root"].map((name) => join(scratch, name)) as [string, string, string];
  for (const part of [upper, work, path]) await mkdir(part);
  await chmod(upper, 0o755);
  return { path, enter: enterOverlay({ lower: [base], upper, work, path }) };
}
