// `build`: makes an image from a build.yaml, as Imaging Hot Sauce did, and leaves nothing else behind.
import { access, constants, copyFile, link, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { quote } from "../../provision/shell/shell.ts";
import type { TemporaryStack } from "../temporary-stack.ts";
import type { Verb } from "../verb.ts";

export const build: Verb = {
  name: "build",
  summary: "bakes a build.yaml on this computer and packs the root file system into a tar; -x adds kernel and ramdisk",
  details: `Bakes in a temporary stack and destroys it afterwards. The selected stack is not touched.`,
  operands: [{ name: "[recipe]", what: "the recipe (default build.yaml)" }],
  options: [
    { flags: "-s, --size <size>", what: "the root disk's size, e.g. 4G" },
    { flags: "-o, --output <file>", what: "the tar (default NAME.tar.gz)" },
    { flags: "-x, --kernel", what: "also put kernel and ramdisk into the tar" },
  ],
  examples: ["build -s 4G -o blah.tar.gz -x", "build -s 4G build.yaml"],
  whenStopped: "stopped. Nothing is left behind; the same command starts over.",
  async run({ operands: [file = "build.yaml"], options, session, output }) {
    const recipe = resolve(file);
    const { loadRecipe } = await import("../../provision/recipe/load-recipe.ts");
    // Reports mistakes in the recipe before anything is made.
    const overrides = options.size ? { size: options.size } : {};
    const overriddenBy = (key: string) => ({ where: `--${key}` });
    const { name, distributions } = await loadRecipe(recipe, { overrides, overriddenBy });
    const target = resolve(typeof options.output === "string" ? options.output : `${name}.tar.gz`);
    await assertWritable(target);
    const [temporary, { CommandStack }] = await Promise.all([import("../temporary-stack.ts"), import("../stack.ts")]);
    // Beside the target, because /tmp is often small or in memory; so the checks for free space count the right disk.
    const folder = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
    const settings = {
      recipe,
      imageDirectory: join(folder, "images"),
      formats: ["tar"],
      size: options.size,
      distributions: [distributions[0].id],
    };
    const plain = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
    let stack: TemporaryStack | undefined;
    const bake = async () => {
      // Ctrl-C must not reach its commands: they clean up.
      stack = await temporary.TemporaryStack.create({}, plain, {}, true);
      const { directory, name, environment } = stack;
      const opened = await CommandStack.open(directory, { stack: name }, output, session.interrupted, environment);
      const { took } = await opened.up("building");
      // The state's images include only outputs, so this is not the image of a recipe below.
      const image = (await opened.state()).images[0].image.path!;
      const archive = join(
        image,
        (await readdir(image)).find((each) => each.endsWith(".tar.gz"))!,
      );
      if (options.kernel) await put(archive, target);
      else await putRoot(archive, folder, target, session.interrupted);
      output.result(target);
      output.note(`done in ${took.toFixed(1)} s`);
    };
    await session.withCleanup(bake, () => stack?.remove(folder) ?? rm(folder, { recursive: true }));
  },
};

/** Refuses a target that can't be written, before a bake that takes minutes. @throws UserError */
async function assertWritable(target: string): Promise<void> {
  const refuse = (found: string, cure: string) => {
    throw new UserError({ where: target, key: "--output", found, allowed: "a file in a folder that exists", cure });
  };
  const folder = dirname(target);
  const problem = await access(folder, constants.W_OK).then(
    () => undefined,
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  );
  if (problem === "ENOENT") refuse(`there is no folder ${folder}`, `mkdir -p ${quote(folder)}`);
  if (problem !== undefined) refuse(`${folder} can't be written to (${problem})`, "choose another folder");
  const present = await stat(target).catch(() => undefined);
  if (present?.isDirectory()) refuse("it is a folder", "add a file's name");
}

/** Puts the archive at a path, without needing space for a copy where the file system has links. */
async function put(archive: string, path: string): Promise<void> {
  const partial = `${archive}.partial`;
  await link(archive, partial).catch(() => copyFile(archive, partial));
  await rename(partial, path);
}

/**
 * Puts a tar without kernel and ramdisk at the target.
 * @param folder Where it is unpacked and packed.
 * @throws UserError if that fails. The bake was not in vain: the whole archive is kept beside the target.
 */
async function putRoot(archive: string, folder: string, target: string, interrupted: AbortSignal): Promise<void> {
  const { execa } = await import("execa");
  const root = `${basename(archive, ".tar.gz")}.img`;
  const partial = join(folder, "partial.tar.gz");
  try {
    await execa("tar", ["--extract", "--file", archive, "--directory", folder, root]);
    const pack = [
      "--use-compress-program=pigz --no-name -3",
      "--format=gnu",
      "--sparse",
      "--create",
      "--file",
      partial,
    ];
    await execa("tar", [...pack, "--directory", folder, root]);
    await rename(partial, target);
  } catch (error) {
    interrupted.throwIfAborted();
    const whole = `${target}.with-kernel`;
    await put(archive, whole).catch((second: Error) => {
      throw new Error(`${(error as Error).message}; nor could the whole archive be kept: ${second.message}`, {
        cause: error,
      });
    });
    throw new UserError({
      where: target,
      found: `the image is baked, but could not be packed without its kernel: ${(error as Error).message}`,
      cure: `the archive with kernel and ramdisk is kept: ${whole}`,
    });
  }
}
