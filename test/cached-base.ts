// Real base images for the tests' builders and disks, from the cache that all stacks share.
import { ensureBase, resolveBase } from "../components/local/provider/base/base.ts";

/**
 * Returns the folder of a distribution's root file system, which must not be changed. Bootstraps it once, in a minute.
 */
export async function cachedBase(distribution = "debian12"): Promise<string> {
  const base = await resolveBase({ kind: "mirror", distribution }, { projectDirectory: process.cwd() });
  return await ensureBase(base, () => {});
}
