// Base images as the tests' builders and disks stand on: real ones, from the cache that all stacks share.
import { ensureBase, resolveBase } from "../components/local/provider/base/base.ts";

/** The folder of a distribution's root: from the cache, or bootstrapped (a minute, once). Nobody may change it. */
export async function cachedBase(distribution = "debian12"): Promise<string> {
  const base = await resolveBase({ kind: "mirror", distribution }, { projectDirectory: process.cwd() });
  return await ensureBase(base, () => {});
}
