// The recipe's key kernel_arguments: validation, recipe hash, and settings for GRUB, grubby and local disks.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planRecipe } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { inNamespace } from "./bash.ts";

describe("kernel_arguments in a recipe", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-kernel-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function plan(words: unknown, distribution = "debian12") {
    const file = join(await mkdtemp(join(folder, "recipe-")), "recipe.yaml");
    await writeFile(
      file,
      JSON.stringify({
        distribution,
        modules: ["umask"],
        ...(words === undefined ? {} : { kernel_arguments: words }),
        ...(distribution === "rocky9" && { base: { directory: folder } }),
      }),
    );
    const recipe = await loadRecipe(file);
    return planRecipe(recipe, recipe.distributions[0], { sealVersion: "1" });
  }

  it("are applied after all modules, count in the recipe hash, and become a test of the image", async () => {
    const [none, one, other] = await Promise.all([undefined, ["nohz=off"], ["nohz=on"]].map((words) => plan(words)));
    const hashes = [none, one, other].map((made) => made.recipeHash("base"));
    assert.equal(new Set(hashes).size, 3);
    assert.equal(one.modules.at(-1)!.name, "kernel_arguments");
    assert.ok(one.checks.some(({ what }) => what === "the kernel command line has nohz=off"));
    assert.equal(none.modules.length, 1);
  });

  it("are refused if they are not single words, or if they select the root file system", async () => {
    for (const word of ["two words", "root=/dev/sda1", "ro", "initrd=x", 'a="b"', "a=$(b)"]) {
      await assert.rejects(plan([word]), /kernel_arguments\[0\]/, word);
    }
  });

  /** The script of the last step. */
  async function script(distribution: string, words = ["nohz=off", "audit=0"]): Promise<string> {
    const [step] = (await plan(words, distribution)).modules.at(-1)!.steps;
    assert.ok(step?.kind === "script");
    return step.script;
  }

  it("are added to those of a recipe below, once each, and replace their own of an earlier run", async () => {
    const root = await mkdtemp(join(folder, "root-"));
    /** Bakes an image on what is there: each list of words is a run of the step on the same builder. */
    async function bake(...runs: string[][]): Promise<{ list: string; grub: string }> {
      for (const words of runs) {
        const here = (await script("debian12", words)).replaceAll(
          /\/(usr|var)\/lib\/ci-images|\/etc\/default/g,
          `${root}$&`,
        );
        const { stderr, exitCode } = await inNamespace(`set -euo pipefail\nPATH=${await fakes()}:$PATH\n${here}`);
        assert.equal(exitCode, 0, stderr as string);
      }
      // As sealing does.
      await rm(join(root, "var/lib/ci-images"), { recursive: true });
      const show = `GRUB_CMDLINE_LINUX_DEFAULT=quiet; . ${root}/etc/default/grub.d/90-ci-images.cfg; echo "$GRUB_CMDLINE_LINUX_DEFAULT"`;
      const { stdout } = await inNamespace(show);
      return { list: await readFile(join(root, "usr/lib/ci-images/kernel-arguments"), "utf8"), grub: stdout as string };
    }
    const below = await bake(["nohz=off", "a=1"], ["nohz=off", "audit=0"]);
    assert.deepEqual(below, { list: "nohz=off\naudit=0\n", grub: "quiet nohz=off audit=0" });
    const middle = await bake(["nohz=on", "b=2"], ["nohz=on", "audit=0"], ["nohz=on", "audit=0"]);
    assert.deepEqual(middle, { list: "nohz=off\nnohz=on\naudit=0\n", grub: "quiet nohz=off nohz=on audit=0" });
    // The kernel takes the last one.
    assert.equal((await bake(["nohz=off"])).grub, "quiet nohz=on audit=0 nohz=off");
  });

  it("go into GRUB's settings after the clouds' own with apt, and through grubby elsewhere, once each", async () => {
    const debian = await script("debian12");
    assert.ok(debian.includes("/etc/default/grub.d/90-ci-images.cfg"));
    const rocky = await script("rocky9");
    const etc = await mkdtemp(join(folder, "etc-"));
    for (const name of ["default", "kernel"]) await mkdir(join(etc, name));
    await writeFile(join(etc, "default/grub"), 'GRUB_CMDLINE_LINUX="quiet audit=0"\n');
    await writeFile(join(etc, "kernel/cmdline"), "root=UUID=1 ro\n");
    const tail = rocky.slice(rocky.indexOf("if systemd-detect-virt"), rocky.lastIndexOf("\nfi") + 3);
    const twice = `set -euo pipefail\nmount --bind ${etc} /etc\nPATH=${await fakes("grubby")}:$PATH\n(${tail}\n)\n(${tail}\n)\ncat /run/called`;
    const { stdout, stderr, exitCode } = await inNamespace(twice);
    assert.equal(exitCode, 0, stderr as string);
    assert.match(stdout as string, /grubby --update-kernel=ALL --args=nohz=off audit=0/);
    assert.equal(await readFile(join(etc, "kernel/cmdline"), "utf8"), "root=UUID=1 ro nohz=off audit=0\n");
    assert.equal(await readFile(join(etc, "default/grub"), "utf8"), 'GRUB_CMDLINE_LINUX="quiet audit=0 nohz=off"\n');
  });

  async function fakes(tool = "update-grub"): Promise<string> {
    const bin = await mkdtemp(join(folder, "bin-"));
    await writeFile(join(bin, tool), `#!/bin/sh\necho ${tool} "$@" >>/run/called\n`, { mode: 0o755 });
    await writeFile(join(bin, "systemd-detect-virt"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    return bin;
  }
});
