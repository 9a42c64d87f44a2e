// The life cycle on the real engine with real machines: what `pulumi up` promises when nothing fails.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { dump } from "js-yaml";
import { makeDeepTree } from "../components/local/deep-tree.ts";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

const secret = "correct horse battery staple";
const digest = createHash("sha256").update(secret).digest("hex");

/** A recipe with a file that holds a secret of the stack. */
function recipeWithSecret(content: string): Record<string, unknown> {
  const tiny = tinyRecipe(content);
  const token = { path: "/root/token", content: { secret: "TOKEN" }, keep_secret: true };
  return {
    ...tiny,
    modules: ["files", "run"],
    files: [...(tiny.files as object[]), token],
    // This module uses no secret itself; it prints the secret that an earlier module wrote.
    run: ["echo the file says: $(cat /root/token)"],
    tests: [{ name: "the secret is intact", run: `[ "$(sha256sum </root/token)" = "${digest}  -" ]` }],
  };
}

type Images = NonNullable<Awaited<ReturnType<TestStack["outputs"]>>["images"]>;

describe("the life cycle of an image on `local`", function () {
  this.timeout(600_000);
  let stack: TestStack;
  let firstOutput: string;
  let firstState: string;

  before(async () => {
    // No verification here, because an emulated boot takes a minute; kill.ci.test.ts verifies its image.
    stack = await TestStack.create(recipeWithSecret("one"), quickDisk);
    await stack.succeed("config", "set", "--secret", "--path", "ci-images:secrets.TOKEN", secret);
  });
  after(() => stack.remove());

  it("bakes and deletes the builder in one `up`; the second drops the records; then nothing changes", async () => {
    firstOutput = (await stack.up()).output;
    // With the records of the bake, which the next `up` drops.
    firstState = (await stack.succeed("stack", "export")).output;
    assert.match(firstOutput, /debian12: will be baked: no image of recipe [0-9a-f]{8} yet/);
    assert.deepEqual(await stack.machines(), [], "no machine is left");
    const shown = (await stack.succeed("stack", "output", "images", "--json")).output;
    const { sha256, recipe, builtAt } = (JSON.parse(shown) as Images).local.debian12;
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.ok(Date.parse(builtAt) > 0 && recipe.length === 64);

    const second = await stack.up();
    assert.deepEqual(await stack.bakeRecords(), []);
    assert.match(second.output, /deleted/);
    assert.equal((await stack.outputs()).images!.local.debian12.sha256, sha256, "the image is the same");
    await stack.expectNoChanges();
    await stack.succeed("refresh", "--yes", "--skip-preview");
    await stack.expectNoChanges();
  });

  it("masks a secret in the output, encrypts it in the state, and has it in no file but the recipe's", async () => {
    assert.match(firstOutput, /the file says: /);
    assert.match(firstOutput, /ok - recipe: the secret is intact/);
    const { path } = (await stack.outputs()).images!.local.debian12;
    const texts = [
      firstOutput,
      firstState,
      await readFile(join(path, "manifest.json"), "utf8"),
      await readFile(join(path, "proof.json"), "utf8"),
    ];
    for (const text of texts) assert.ok(!text.includes(secret));
  });

  it("says in a preview what will be baked again and why, and starts nothing", async () => {
    await stack.recipe(recipeWithSecret("two"));
    const { output } = await stack.succeed("preview");
    assert.match(output, /debian12: will be baked: recipe [0-9a-f]{8} => [0-9a-f]{8}/);
    assert.ok(output.includes(String.raw`files[0].content: "one\n" => "two\n"`), output);
    assert.deepEqual(await stack.machines(), []);
    await stack.recipe(recipeWithSecret("one"));
  });

  it("ignores comments and the order of keys", async () => {
    const reversed = Object.fromEntries(Object.entries(recipeWithSecret("one")).reverse());
    await stack.recipe(`# another comment\n${dump(reversed)}`);
    await stack.expectNoChanges();
  });

  it("keeps the earlier generation tracked, and goes back to it without a bake", async () => {
    await stack.settings({ ...quickDisk, keep: 1 });
    const one = (await stack.outputs()).images!.local.debian12.recipe;
    await stack.recipe(recipeWithSecret("two"));
    await stack.up();
    assert.equal((await stack.imageFolders()).length, 2);
    assert.equal((await stack.resources()).filter(({ type }) => type === "ci-images:local:Image").length, 2);

    await stack.recipe(recipeWithSecret("one"));
    const back = await stack.up();
    assert.doesNotMatch(back.output, /will be baked/);
    assert.equal((await stack.outputs()).images!.local.debian12.recipe, one);
  });

  it("makes no image if an acceptance test fails, and keeps the current image in the outputs, not the latest", async () => {
    const good = (await stack.outputs()).images!.local.debian12;
    const folders = await stack.imageFolders();
    await stack.recipe(tinyRecipe("two", { tests: [{ name: "pigs fly", run: "echo no wings; false" }] }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /not ok - .*pigs fly/);
    assert.match(failed.output, /no wings/);
    const keepsAll = async () => {
      assert.deepEqual((await stack.outputs()).images!.local.debian12, good);
      assert.deepEqual(await stack.imageFolders(), folders);
    };
    await keepsAll();
    // Nor does a stage that keeps the images publish the latest again.
    await stack.settings({ ...quickDisk, stage: "none" });
    await stack.up();
    await keepsAll();
    await stack.settings(quickDisk);
  });

  it("deletes older generations, and a builder whose paths are too long for Node to remove", async () => {
    await stack.recipe(scriptRecipe(`install -d /opt/deep; cd /opt/deep; ${makeDeepTree}`));
    await stack.up();
    assert.deepEqual(await stack.machines(), []);
    assert.equal((await stack.imageFolders()).length, 2, "the newest and the previous image are kept");
  });

  it("refuses a corrupted image with an error that names the file, and notices a deleted one on refresh", async () => {
    const { disk, path } = (await stack.outputs()).images!.local.debian12;
    await truncate(disk, 1000);
    const corrupted = await stack.run("preview");
    assert.notEqual(corrupted.exitCode, 0);
    assert.ok(corrupted.output.includes(disk) && /corrupted/.test(corrupted.output), corrupted.output);

    await rm(path, { recursive: true });
    const refreshed = await stack.succeed("refresh", "--yes", "--skip-preview");
    assert.match(refreshed.output, /deleted/);
    const { output } = await stack.succeed("preview");
    assert.match(output, /will be baked/);
  });

  it("leaves nothing on this computer after destroy", async () => {
    await stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await stack.leftovers(), []);
  });
});
