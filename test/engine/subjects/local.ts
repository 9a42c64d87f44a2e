// Stack `local` behind the interface that the tests of every stack use: this computer, with private folders for
// machines and images.
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeControlGroup } from "../../../components/local/provider/machine/control-group.ts";
import { readRecord } from "../../../components/local/provider/machine/machine-record.ts";
import { places } from "../../../provider/kit/cache-folders.ts";
import {
  findSupervisor,
  killSupervisor,
  stopSupervisor,
} from "../../../components/local/provider/machine/supervisor.ts";
import type { Account } from "../cloud-stack.ts";
import { runningNamed } from "../test-stack.ts";

/** Opens an account without machines and images. It shares the base images with all tests. */
export async function openLocal(): Promise<Account> {
  const folder = await mkdtemp(join(tmpdir(), "ci-images-local-"));
  // With a private cache, no other provider finds these machines and removes the expired ones.
  const [cache, images] = [join(folder, "cache"), join(folder, "images")];
  const bases = join(cache, "bases");
  await mkdir(cache, { mode: 0o700 });
  await symlink((await places()).bases, bases);

  async function folders(): Promise<string[]> {
    const entries = await readdir(join(cache, "machines"), { withFileTypes: true }).catch(ifMissing);
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(cache, "machines", name));
  }

  /** Folder and creation time of each machine: under the same lease, a fresh machine reuses the folder. */
  async function machines(): Promise<string[]> {
    return await Promise.all(
      (await folders()).map(async (directory) => `${directory} ${(await readRecord(directory))?.createdAt ?? ""}`),
    );
  }

  /** Disks of images, and folders of unfinished ones. */
  async function disks(): Promise<string[]> {
    const distributions = await readdir(images).catch(ifMissing);
    const found = await Promise.all(
      distributions.map(async (distribution) => {
        const folders = await readdir(join(images, distribution));
        return folders.map((name) => join(images, distribution, name, name.endsWith(".partial") ? "" : "disk.qcow2"));
      }),
    );
    return found.flat();
  }

  async function onlyMachine() {
    const [directory] = await folders();
    return { directory, supervisor: (await findSupervisor(directory))! };
  }

  const settings: Account["settings"] = { imageDirectory: images };
  return {
    cloud: "local",
    outputs: ["local"],
    settings,
    variables: { CI_IMAGES_CACHE: cache },
    lasting: /^ci-images:local:Image$/,
    images: disks,
    machines,
    stopMachine: async () => stopSupervisor((await onlyMachine()).supervisor, 70),
    async loseMachine() {
      const { directory, supervisor } = await onlyMachine();
      await killSupervisor(supervisor);
      await removeControlGroup(directory);
      await rm(directory, { recursive: true });
    },
    async loseBase() {
      // Only removes the link: the shared bases must survive.
      await rm(bases);
      settings.mirrors = { debian: "http://127.0.0.1:1" };
    },
    async leftovers(kept = []) {
      const left = (await disks()).filter((disk) => !kept.includes(disk));
      return [...(await machines()).map((name) => `machine ${name}`), ...left, ...(await runningNamed(cache))];
    },
    close: () => rm(folder, { recursive: true }),
  };
}

function ifMissing(error: NodeJS.ErrnoException): never[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
