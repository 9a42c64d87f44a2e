// The Debian 12 root file system that the tests' builders stand on.
import { ensureBase, resolveBase } from "../../provider/local/base.ts";

/** The base's folder: from the cache, or bootstrapped (a minute, once). */
export async function testBase(): Promise<string> {
  const base = await resolveBase({ kind: "mirror", distribution: "debian12" }, { projectDirectory: process.cwd() });
  return await ensureBase(base, () => {});
}
