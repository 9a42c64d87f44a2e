// The local cloud's folders on this computer: one per user, shared by all projects and stacks.
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** The folders of the local cloud. */
export interface Places {
  /** `$CI_IMAGES_CACHE`, else `$XDG_CACHE_HOME/ci-images`, else `~/.cache/ci-images`. */
  root: string;
  /** Base root file systems, one folder per base id: made once, never changed. */
  bases: string;
  /** Machines, one folder per machine name: deleted with the machine. */
  machines: string;
  /**
   * Builders' changes after each module, one folder per layer. They contain everything that modules leave until
   * sealing, including secrets.
   */
  layers: string;
}

/**
 * The folders of the local cloud, created if missing. Only the user may enter them: a builder's root holds set-uid
 * programs and private host keys.
 */
export async function places(environment: NodeJS.ProcessEnv = process.env): Promise<Places> {
  const root = resolve(
    environment.CI_IMAGES_CACHE || join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "ci-images"),
  );
  const found = { root, bases: join(root, "bases"), machines: join(root, "machines"), layers: join(root, "layers") };
  await mkdir(root, { recursive: true, mode: 0o700 });
  for (const folder of [found.bases, found.machines, found.layers])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  return found;
}
