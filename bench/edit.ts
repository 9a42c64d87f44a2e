// The cost of an edit: the last module's settings change and the image is baked again. Ours starts from a layer;
// diskimage-builder, with its own cache, and Packer, which has none, make the whole image again. Without the
// verification boot, as the other two have none.
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import { places } from "../provider/kit/cache-folders.ts";
import { readYaml } from "../provision/recipe/read-yaml.ts";
import * as diskimageBuilder from "./diskimage-builder.ts";
import * as packer from "./packer.ts";
import type { Row } from "./table.ts";
import { find, timedUp, timingVariables, union } from "./timed-up.ts";
import { recipeFile } from "./warm.ts";

/** Seconds in addition to the module's own; and the minimum speedup over others. */
const targets = { own: 12, faster: 10 };

const recipe = readYaml(recipeFile) as { distribution: string; size: string; install_packages: string[] };

/** What the default recipe installs. */
const packages = ["openssh-server", "sudo", "git", "nginx", "default-jre-headless", ...recipe.install_packages];

/** The edit of the others: one package more. */
const edited = [...packages, "tree"];

/** Another program's edit, in seconds. */
interface Other {
  name: string;
  seconds: number;
}

/**
 * Bakes the default recipe, edits its last module, and bakes again. Then does an edit with each of the others.
 * @param say Receives progress lines.
 */
export async function benchEdit(say: (line: string) => void): Promise<Row[]> {
  const { rows, seconds: ours } = await ourEdit(say);
  const others = [await diskimageBuilderEdit(say), await packerEdit(say)].filter((other) => other !== undefined);
  return [
    ...rows,
    ...others.flatMap(({ name, seconds }): Row[] => [
      { what: `${name} after an edit`, seconds },
      {
        what: "our edit against it",
        seconds: ours,
        against: { what: `a ${targets.faster}th of it:`, seconds: seconds / targets.faster },
      },
    ]),
  ];
}

async function ourEdit(say: (line: string) => void): Promise<{ rows: Row[]; seconds: number }> {
  const cache = await mkdtemp(join(tmpdir(), "ci-images-bench-cache-"));
  await symlink((await places()).bases, join(cache, "bases"));
  const variant = (minutes: number) => ({ ...recipe, idle_shutdown: { grace: `${minutes}min` } });
  const variables = { ...timingVariables, CI_IMAGES_CACHE: cache, CI_IMAGES_LAYERS: "10G" };
  const stack = await TemporaryStack.create(variant(60), { verify: false }, variables);
  try {
    say("edit: baking the default recipe, which keeps its layers");
    const whole = await timedUp(stack);
    await stack.up();
    await stack.recipe(variant(90));
    say("edit: baking again with another setting of the last module");
    const { took, steps } = await timedUp(stack);
    const module = union([find(steps, "idle_shutdown")]);
    const parts = ["builder", "tests", "inventory", "seal", "stop", "", "retirement"];
    const rest = took - union(["idle_shutdown", ...parts].map((name) => find(steps, name)));
    const rows: Row[] = [
      { what: "`pulumi up` of the whole recipe, without verification", seconds: whole.took },
      { what: "`pulumi up` after an edit of the last module", seconds: took },
      { what: "of it: the module", seconds: module },
      {
        what: "of it: everything else",
        seconds: took - module,
        against: { what: "target", seconds: targets.own },
      },
      ...parts.map((name) => ({ what: `— ${name || "image"}`, seconds: find(steps, name).seconds })),
      { what: "— program, engine, and between the steps", seconds: rest },
    ];
    return { rows, seconds: took };
  } finally {
    await stack.remove();
    await rm(cache, { recursive: true });
  }
}

async function diskimageBuilderEdit(say: (line: string) => void): Promise<Other | undefined> {
  const missing = await diskimageBuilder.whyMissing();
  if (missing !== undefined) {
    say(`edit: diskimage-builder is skipped: ${missing}`);
    return undefined;
  }
  const { version, makeTar } = diskimageBuilder;
  const home = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  try {
    say(`edit: diskimage-builder ${version} makes a tar of the same packages`);
    await makeTar(recipe.distribution, packages, home);
    say("edit: diskimage-builder makes it again with one package more");
    const { seconds } = await makeTar(recipe.distribution, edited, home);
    return { name: `diskimage-builder ${version}, plain tar, with its cache,`, seconds };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function packerEdit(say: (line: string) => void): Promise<Other | undefined> {
  const missing = packer.whyMissing();
  if (missing !== undefined) {
    say(`edit: Packer is skipped: ${missing}`);
    return undefined;
  }
  const { distribution, size } = recipe;
  const stack = await TemporaryStack.create({ name: "bench", distribution, size, modules: ["run"], run: ["true"] });
  try {
    say("edit: baking a disk without packages for Packer");
    await stack.up();
    const { disk } = (await stack.outputs()).images!.local[distribution];
    const version = await packer.version();
    say(`edit: Packer ${version} bakes the same packages and one more`);
    const { seconds } = await packer.makeDisk(distribution, disk, edited);
    return { name: `Packer ${version}, QEMU builder,`, seconds };
  } finally {
    await stack.remove();
  }
}
