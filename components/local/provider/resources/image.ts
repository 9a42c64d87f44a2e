// The image of the `local` cloud: a folder with a bootable disk, the recipe's other formats, and a manifest.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { removeOrphanedBases } from "../base/orphaned-bases.ts";
import { assertOwn, isOwn } from "../disk/bake-claim.ts";
import { assertSealed, sealingReport } from "../disk/assert-sealed.ts";
import { assembleImage } from "../disk/disk.ts";
import { guestFacts } from "../disk/guest-facts.ts";
import { layerStateFile, type LayerState } from "../layers/layer-state.ts";
import { readState } from "../state-file.ts";
import { findMachine, rootView, type RootView } from "../machine/machines.ts";
import { removeTree } from "../remove-tree.ts";
import { findImage, readManifest, type Manifest, type StoredImage } from "../disk/image-store.ts";
import { toolVersions } from "../disk/tool-versions.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Image } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

export const image = implement(Image, {
  async drift(_id, { path, builtAt }) {
    return (await findImage(path))?.manifest.builtAt === builtAt ? "none" : "replace";
  },

  async create(inputs, { progress, signal }) {
    // Without a builder there is nothing to put in the place of another stack's image.
    await assertOwn(inputs.path, inputs, inputs.machine !== undefined);
    const present = await findImage(inputs.path, "full");
    // A bake finished but its record was lost: adopt the image if it is intact and has the same recipe.
    if (present && present.manifest.recipe === inputs.recipe && isOwn(present.manifest, inputs)) {
      progress("the image already exists; adopted");
      return { id: idOf(present), outputs: stateOf(present) };
    }
    const { path, machine, recipe, assertion } = inputs;
    const found = machine === undefined ? undefined : await findMachine(machine);
    if (machine === undefined || assertion === undefined || !found) {
      throw new UserError({
        where: path,
        found: "is gone, and so is its builder",
        cure: "run `pulumi up` again: it bakes the image from its recipe",
      });
    }
    const { directory } = found;
    await removeTree(path);
    const view = await rootView(machine);
    let noted: Promise<Noted> | undefined;
    try {
      await assertSealed(view, assertion, progress, signal);
      const sealing = await sealingReport(view, signal);
      const layer = await layerOf(directory, inputs.modules);
      // Beside writing the disk, which keeps one processor busy.
      noted = note(view, { sealing, layer }, signal);
      noted.catch(() => undefined);
      const complete = async (directory: string, files: Manifest["files"]) => {
        const manifest = manifestOf(inputs, files, await noted!);
        await writeFile(join(directory, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
      };
      await assembleImage(
        {
          view,
          directory: path,
          name: inputs.name,
          identity: recipe,
          size: inputs.size!,
          formats: inputs.formats!,
          complete,
        },
        progress,
        signal,
      );
    } finally {
      await noted?.catch(() => undefined);
      await view.dispose();
    }
    const made = await findImage(path);
    if (!made) throw new Error(`${path}: the image was assembled but is not there`);
    return { id: idOf(made), outputs: stateOf(made) };
  },

  async read(id, { path }, { progress }) {
    const manifest = await readManifest(path);
    if (!manifest || idOf({ path, manifest }) !== id) return undefined;
    // The record stays until its folder is gone: without it, `destroy` would leave what remains there.
    if (!(await findImage(path, "full"))) progress(`${path}: a file is missing, so the image counts as deleted`);
    return stateOf({ path, manifest });
  },

  async delete(id, { path }, { progress, owner }) {
    const manifest = await readManifest(path).catch((error: unknown) => {
      // Delete a corrupted image, too.
      if (error instanceof UserError) return undefined;
      throw error;
    });
    // The folder may contain a newer image, because a replacement is made before the old image is deleted.
    if (manifest && idOf({ path, manifest }) !== id) return;
    // Earlier versions adopted other stacks' images.
    if (manifest && owner && !isOwn(manifest, owner)) {
      progress(`${path} belongs to stack ${manifest.stack} and is left there`);
      return;
    }
    await removeTree(path);
    try {
      for (const base of await removeOrphanedBases())
        progress(`removed from the cache: ${base}, read from an image that is gone`);
    } catch (error) {
      // The image itself is gone; the next deletion tries again.
      progress(`bases in the cache that were read from images could not be removed: ${(error as Error).message}`);
    }
  },
});

/** What the manifest says besides the inputs and the files. */
type Noted = Pick<Manifest, "sealing" | "guest" | "layer" | "tools">;

/** Adds the image's drivers and data sources, and the versions of this computer's programs. */
async function note(view: RootView, known: Pick<Manifest, "sealing" | "layer">, signal: AbortSignal): Promise<Noted> {
  const [guest, tools] = await Promise.all([guestFacts(view, signal), toolVersions()]);
  return { ...known, guest, tools };
}

function manifestOf(inputs: InputsOf<typeof Image>, files: Manifest["files"], { tools, ...noted }: Noted): Manifest {
  const {
    name,
    recipe,
    distribution,
    project,
    stack,
    machine,
    base,
    size,
    plan,
    packages,
    builder,
    interrupted,
    ancestry,
  } = inputs;
  return {
    name,
    recipe,
    distribution,
    project,
    stack,
    machine: machine!,
    base: base!,
    ...(ancestry && { ancestry }),
    size: size!,
    plan: plan!,
    packages: packages!,
    builder: builder!,
    files,
    ...noted,
    builtAt: new Date().toISOString(),
    interrupted: interrupted ?? false,
    tools,
  };
}

/** Which modules came with a layer, and which ran. */
async function layerOf(directory: string, modules: string[] = []): Promise<Manifest["layer"]> {
  const { from } = (await readState<LayerState>(layerStateFile(directory))) ?? {};
  if (!from) return undefined;
  const count = from.prefixes.length;
  const [kept, ran] = [modules.slice(0, count), modules.slice(count)];
  return { modules: kept, ran, prefix: from.prefixes[count - 1], createdAt: from.createdAt };
}

/** An image by its folder and manifest, whether its files are there or not. */
type Known = Pick<StoredImage, "path" | "manifest">;

function idOf({ path, manifest }: Known): string {
  return `${path}@${manifest.builtAt}`;
}

function stateOf({ path, manifest }: Known) {
  const { recipe, name, distribution, project, stack, files, builtAt, builder, layer } = manifest;
  // Formats that boot, fastest to read first.
  const names = ["disk.qcow2", "disk.raw", "disk.vmdk", "disk.vhd"];
  const disk = names.flatMap((each) => files.find((file) => file.name === each) ?? [])[0] ?? files[0];
  const { sha256, bytes } = disk;
  return {
    path,
    recipe,
    name,
    distribution,
    project,
    stack,
    disk: join(path, disk.name),
    sha256,
    bytes,
    builtAt,
    builder,
    ...(layer && { layer }),
  };
}
