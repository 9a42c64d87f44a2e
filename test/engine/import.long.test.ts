// One recipe baked once and imported into clouds (stack setting `bakery: local`), on the real engine, with real local bakes; the clouds
// are test clouds, whose machines boot what was uploaded.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { CloudStack } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openRackspace, type RackspaceSubject } from "./subjects/rackspace.ts";

/** Images of this computer below a folder, finished or not; and who waits for one. */
async function imagesIn(folder: string): Promise<string[]> {
  const distributions = await readdir(folder).catch(() => []);
  return (await Promise.all(distributions.map((name) => readdir(join(folder, name))))).flat();
}

describe("images baked once on this computer and imported by several stacks", function () {
  this.timeout(1_200_000);
  const recipe = tinyRecipe("imported");
  let clouds: RackspaceSubject[];
  let stacks: CloudStack[];
  let home: string;

  before(async () => {
    clouds = [await openRackspace(), await openRackspace()];
    stacks = [await CloudStack.on(clouds[0], recipe, { bakery: "local" })];
    home = join(stacks[0].directory, "images");
    stacks.push(await CloudStack.on(clouds[1], recipe, { bakery: "local", imageDirectory: home }));
  });
  after(async () => {
    for (const stack of stacks.reverse()) await stack.remove();
    for (const cloud of clouds) {
      assert.deepEqual(await cloud.leftovers(), [], "nothing is left when the stacks have been destroyed");
      await cloud.close();
    }
  });

  it("are announced by a preview, which makes nothing", async () => {
    const { output } = await stacks[0].succeed("preview");
    assert.match(output, /local-debian12: will be baked: no image of recipe [0-9a-f]{8} yet/);
    assert.match(
      output,
      /debian12: will be imported from the local bake of recipe [0-9a-f]{8}, which will be baked first/,
    );
    assert.deepEqual(await imagesIn(home), []);
  });

  it("are baked by one of two that run at the same time; both verify what they got in their cloud", async () => {
    const runs = await Promise.all(stacks.map((stack) => stack.up()));
    const bakes = runs.filter(({ output }) => /ci-images:local:Image\b.*creat/.test(output));
    assert.equal(bakes.length, 1, "one bake");
    assert.equal((await imagesIn(home)).length, 1);
    for (const [index, stack] of stacks.entries()) {
      const image = await stack.image();
      assert.deepEqual(await clouds[index].images(), [image!.id]);
      assert.deepEqual(await clouds[index].machines(), []);
    }
    const [one, other] = await Promise.all(stacks.map((stack) => stack.image()));
    assert.equal(one!.recipe, other!.recipe);
  });

  it("need nothing more after the second `up`, also after a refresh", async () => {
    for (const stack of stacks) {
      const before = await stack.image();
      await stack.up();
      assert.deepEqual(
        (await stack.bakeRecords()).filter((urn) => !/ci-images:local:Image::/.test(urn)),
        [],
      );
      assert.deepEqual(await stack.image(), before);
      await stack.expectNoChanges();
      await stack.succeed("refresh", "--yes", "--skip-preview");
      await stack.expectNoChanges();
    }
  });

  it("are imported again without a bake where the cloud has lost them; a killed upload leaves nothing", async () => {
    const [stack, cloud] = [stacks[1], clouds[1]];
    await stack.settings({ bakery: "local", imageDirectory: home, verify: false });
    await cloud.deleteImage((await stack.image())!.id);
    const preview = await stack.succeed("preview");
    assert.match(preview.output, /will be imported from the local bake of recipe [0-9a-f]{8}, which is there: /);
    cloud.rackspace.api.faults.latency = 500;
    assert.ok(await stack.killedAt(/ServerImage \S+ creating/));
    cloud.rackspace.api.faults.latency = 0;
    await stack.up();
    assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
    assert.equal((await imagesIn(home)).length, 1);
  });
});
