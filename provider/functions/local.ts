// What the program asks the `local` cloud before it declares anything.
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { existsSync } from "node:fs";
import { UserError } from "../../common/user-error.ts";
import { resolveBase } from "../local/base.ts";
import { accelerator } from "../local/qemu.ts";
import { listMachines } from "../local/machines.ts";
import { listImages, type StoredImage } from "../local/store.ts";
import type { BaseSource, ResolvedBase } from "../local/types.ts";
import type { FunctionType } from "../resource.ts";

/** `ci-images:local:resolveBase`: pins a base source's content down. */
export const resolveBaseFunction: FunctionType<{ source: BaseSource; projectDirectory: string }, ResolvedBase> = {
  token: "ci-images:local:resolveBase",
  call: ({ source, projectDirectory }) => resolveBase(source, { projectDirectory }),
};

interface Owner {
  /** The image directory. */
  home: string;
  project: string;
  stack: string;
  distribution: string;
}

/** `ci-images:local:findImages`: the stack's images of one distribution, the newest first, and its machines. */
export const findImages: FunctionType<Owner, { images: StoredImage[]; machines: { name: string; recipe: string }[] }> =
  {
    token: "ci-images:local:findImages",
    async call({ home, project, stack, distribution }) {
      const machines = await listMachines({ home, project, stack, distribution, role: "builder" });
      return {
        images: await listImages(home, { project, stack, distribution }),
        machines: machines.map(({ name, labels }) => ({ name, recipe: labels.recipe })),
      };
    },
  };

interface PreflightInputs {
  home: string;
  /** Bytes of the disk that will be made. */
  size: number;
}

/** Bytes that a bake needs beside the image: the builder's changes and the disk before compression. */
const workingSpace = 2 * 2 ** 30;

/** `ci-images:local:preflight`: refuses to start a bake that can't end well on this machine. */
export const preflight: FunctionType<PreflightInputs, { accelerator: string }> = {
  token: "ci-images:local:preflight",
  async call({ home, size }) {
    if (process.getuid?.() !== 0) {
      throw new UserError({
        where: "stack local",
        found: `runs as user ${process.getuid?.()}`,
        allowed: "root: builders are containers with network namespaces and mounts of their own",
        cure: "run it with sudo, or on a machine of your own",
      });
    }
    let existing = home;
    while (!existsSync(existing)) existing = dirname(existing);
    const { bavail, bsize } = await statfs(existing);
    const [free, needed] = [bavail * bsize, Math.min(size, workingSpace) + workingSpace];
    if (free < needed) {
      throw new UserError({
        where: home,
        found: `${gibibytes(free)} of free disk`,
        allowed: `at least ${gibibytes(needed)} for this bake`,
        cure: "free some, lower `size` in the recipe, or set `ci-images:imageDirectory` to a larger disk",
      });
    }
    return { accelerator: await accelerator() };
  },
};

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
