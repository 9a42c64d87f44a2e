// Lookups that the program makes before it declares anything.
import { stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { existsSync } from "node:fs";
import { gibibyte, inGibibytes } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { resolveBase } from "../base/base.ts";
import { accelerator, assertEmulator } from "../machine/qemu.ts";
import { listMachines } from "../machine/machines.ts";
import { sealingState } from "../machine/sealing.ts";
import { assertOwn, claimBake, claimBakeSoon } from "../disk/bake-claim.ts";
import { finishedImage } from "../disk/image-disk.ts";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { listImages, type StoredImage } from "../disk/image-store.ts";
import * as contract from "../../contract.ts";
import { answer } from "../../../../provider/resource.ts";
import { rest } from "../../../../provider/kit/wait.ts";

/** Pins a base source's content. */
export const resolveBaseFunction = answer(contract.resolveBase, ({ source, projectDirectory }) =>
  resolveBase(source, { projectDirectory }),
);

export const findImages = answer(contract.findImages, async ({ home, project, stack, distribution }) => {
  const machines = await listMachines({ home, project, stack, distribution, role: "builder" });
  return {
    images: (await listImages(home, { project, stack, distribution })).map(described),
    machines: await Promise.all(
      machines.map(async (machine) => {
        const { recipe, worker } = machine.labels;
        return { name: machine.name, recipe, worker, sealed: (await sealingState(machine)) === "sealed" };
      }),
    ),
  };
});

export const describeImage = answer(contract.describeImage, async ({ path }) =>
  described(await finishedImage({ folder: path })),
);

/** What the program reads of an image. A whole manifest lists every package. */
function described({ path, manifest, proof }: StoredImage): contract.DescribedImage {
  const { name, recipe, distribution, size, base, plan, builtAt, files } = manifest;
  const sha256 = files.find((file) => file.name === "disk.qcow2")?.sha256;
  return { path, proof, sha256, manifest: { name, recipe, distribution, size, base, plan, builtAt } };
}

export const findBaked = answer(
  contract.findBaked,
  async ({ home, distribution, recipe, claim }, { progress, signal }) => {
    for (let isReported = false; ; isReported = true) {
      const images = await listImages(home, { distribution, recipe });
      const image = images.find(({ proof }) => proof !== undefined);
      if (image || !claim) return { image: image && described(image) };
      if (await claimBake(join(home, distribution, recipe.slice(0, 12)))) return {};
      if (!isReported) progress(`recipe ${recipe.slice(0, 8)} is being baked by another stack: waiting for its image`);
      await rest(2000, signal);
    }
  },
);

/** Bytes to allow for a builder's changes, for its base in the cache, and for a disk that is not compressed yet. */
const workingSpace = 2 * gibibyte;

export const preflight = answer(contract.preflight, async ({ home, size, builder, image, boots, made }, { signal }) => {
  if (process.getuid?.() !== 0) {
    throw new UserError({
      where: "stack local",
      found: `runs as user ${process.getuid?.()}`,
      allowed: "root: builders are containers with network namespaces and mounts of their own",
      cure: "run it with sudo, or on a machine of your own",
    });
  }
  if (made) {
    await assertOwn(made.path, made, made.takesOver);
    if (made.claim && !(await claimBakeSoon(made.path, signal))) {
      const cure = "run the command again when that has ended";
      throw new UserError({ where: made.path, found: "is being baked by another command", cure });
    }
  }
  const { root: cache } = await places();
  // The compressed disk is written beside the raw one. If the builder already exists, the image's own check reports a
  // full disk.
  const needs = [
    { folder: home, needed: builder && image ? Math.min(size, workingSpace) + workingSpace / 2 : 0, what: "image" },
    { folder: cache, needed: builder ? workingSpace : 0, what: "builder" },
  ] as const;
  await assertRoom(needs);
  if (!boots) return {};
  await assertEmulator();
  return { accelerator: await accelerator() };
});

/** Disk space that a bake needs in a folder, in bytes. */
interface Need {
  folder: string;
  needed: number;
  what: keyof typeof cures;
}

const cures = {
  image:
    "free some, lower `size` in the recipe, or set `ci-images:imageDirectory` to a larger disk (`./ci-images build`: --output)",
  builder: "free some, or set CI_IMAGES_CACHE to a folder on a larger disk",
};

/** @throws UserError if a file system lacks the space for everything that goes on it. */
async function assertRoom(needs: readonly Need[]): Promise<void> {
  const located = await Promise.all(needs.map(async (need) => ({ ...need, ...(await fileSystemOf(need.folder)) })));
  for (const { folder, what, device, free } of located) {
    const together = located.filter((each) => each.device === device && each.needed > 0);
    const needed = together.reduce((sum, each) => sum + each.needed, 0);
    // Name the folder that needs the space.
    if (free >= needed || !together.some((each) => each.folder === folder)) continue;
    throw new UserError({
      where: folder,
      // Rounded in opposite directions, so that the two never read the same.
      found: `${inGibibytes(free, Math.floor)} of free disk`,
      allowed: `at least ${inGibibytes(needed, Math.ceil)} for this bake's ${together.map((each) => each.what).join(" and ")}`,
      cure: cures[what],
    });
  }
}

/** The file system that a folder is on, or would be. */
async function fileSystemOf(folder: string): Promise<{ device: number; free: number }> {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const [{ dev: device }, { bavail, bsize }] = await Promise.all([stat(existing), statfs(existing)]);
  return { device, free: bavail * bsize };
}
