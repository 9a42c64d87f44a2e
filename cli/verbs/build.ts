// `build`: makes an image from a build.yaml, as Imaging Hot Sauce did, and leaves nothing else behind.
import { access, constants, copyFile, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { quote } from "../../provision/shell/shell.ts";
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
    const [{ TemporaryStack }, { CommandStack }] = await Promise.all([
      import("../temporary-stack.ts"),
      import("../stack.ts"),
    ]);
    const settings = { recipe, formats: ["tar"], size: options.size, distributions: [distributions[0].id] };
    const plain = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
    // Ctrl-C must not reach its commands: they clean up.
    const place = await TemporaryStack.create({}, plain, {}, true);
    const bake = async () => {
      const choice = { stack: place.name };
      const stack = await CommandStack.open(place.directory, choice, output, session.interrupted, place.environment);
      const { took } = await stack.up("building");
      // The state's images include only outputs, so this is not the image of a recipe below.
      const folder = (await stack.state()).images[0].image.path!;
      const made = (await readdir(folder)).find((each) => each.endsWith(".tar.gz"))!;
      if (options.kernel) await copyFile(join(folder, made), target);
      else await keepRoot(join(folder, made), target);
      output.result(target);
      output.note(`done in ${took.toFixed(1)} s`);
    };
    await session.withCleanup(bake, () => place.remove());
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

/** Copies the tar without kernel and ramdisk. */
async function keepRoot(archive: string, target: string): Promise<void> {
  const { execa } = await import("execa");
  const folder = await mkdtemp(join(tmpdir(), "ci-images-build-"));
  try {
    const root = `${basename(archive, ".tar.gz")}.img`;
    await execa("tar", ["--extract", "--file", archive, "--directory", folder, root]);
    const pack = ["--use-compress-program=pigz --no-name -3", "--format=gnu", "--sparse", "--create", "--file", target];
    await execa("tar", [...pack, "--directory", folder, root]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
