// The cost of an edit: the last module's settings change and the image is baked again. Ours starts from a layer;
// diskimage-builder, with its own cache, makes the whole image again. Without the verification boot, as
// diskimage-builder has none.
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import { places } from "../provider/kit/cache-folders.ts";
import { readYaml } from "../provision/recipe/read-yaml.ts";
import { makeTar, version, whyMissing } from "./diskimage-builder.ts";
import type { Row } from "./table.ts";
import { find, timedUp, timingVariables, union } from "./timed-up.ts";
import { recipeFile } from "./warm.ts";

/** Seconds in addition to the module's own; and the minimum speedup over others. */
const targets = { own: 12, faster: 10 };

/**
 * Bakes the default recipe, edits its last module, and bakes again.
 * @param say Receives progress lines.
 */
export async function benchEdit(say: (line: string) => void): Promise<Row[]> {
  const cache = await mkdtemp(join(tmpdir(), "ci-images-bench-cache-"));
  await symlink((await places()).bases, join(cache, "bases"));
  const recipe = readYaml(recipeFile) as { distribution: string; install_packages: string[] };
  const edited = (minutes: number) => ({ ...recipe, idle_shutdown: { grace: `${minutes}min` } });
  const variables = { ...timingVariables, CI_IMAGES_CACHE: cache, CI_IMAGES_LAYERS: "10G" };
  const stack = await TemporaryStack.create(edited(60), { verify: false }, variables);
  const rows: Row[] = [];
  let ours: number;
  try {
    say("edit: baking the default recipe, which keeps its layers");
    const whole = await timedUp(stack);
    rows.push({ what: "`pulumi up` of the whole recipe, without verification", seconds: whole.took });
    await stack.up();
    await stack.recipe(edited(90));
    say("edit: baking again with another setting of the last module");
    const { took, steps } = await timedUp(stack);
    ours = took;
    const module = union([find(steps, "idle_shutdown")]);
    const own = { what: `target ${targets.own} s`, seconds: targets.own };
    rows.push(
      { what: "`pulumi up` after an edit of the last module", seconds: took },
      { what: "of it: the module", seconds: module },
      { what: "of it: everything else", seconds: took - module, against: own },
    );
    for (const name of ["builder", "tests", "inventory", "seal", "stop", "", "retirement"]) {
      rows.push({ what: `— ${name || "image"}`, seconds: find(steps, name).seconds });
    }
  } finally {
    await stack.remove();
    await rm(cache, { recursive: true });
  }
  const missing = await whyMissing();
  if (missing !== undefined) {
    say(`edit: diskimage-builder is skipped: ${missing}`);
    return rows;
  }
  const home = await mkdtemp(join(tmpdir(), "ci-images-bench-"));
  try {
    const packages = ["openssh-server", "sudo", "git", "nginx", "default-jre-headless", ...recipe.install_packages];
    say(`edit: diskimage-builder ${version} makes a tar of the same packages`);
    await makeTar(recipe.distribution, packages, home);
    say("edit: diskimage-builder makes it again with one package more");
    const { seconds } = await makeTar(recipe.distribution, [...packages, "tree"], home);
    const what = `a ${targets.faster}th of it:`;
    rows.push(
      { what: `diskimage-builder ${version} after an edit, with its cache`, seconds },
      { what: "our edit against it", seconds: ours, against: { what, seconds: seconds / targets.faster } },
    );
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return rows;
}
