// One recipe is baked once on this computer and imported into every cloud (stack setting `bakery: local`). The engine
// and the bake are real; the clouds are test clouds whose machines run from the uploaded disks.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { StorageEmulator } from "../emulators/gcs.ts";
import { CloudStack, type Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";
import { doVerb } from "./verbs.ts";

/** Entries of an image directory: finished and unfinished local images, and locks. */
async function imagesIn(folder: string): Promise<string[]> {
  const distributions = await readdir(folder).catch(() => []);
  return (await Promise.all(distributions.map((name) => readdir(join(folder, name))))).flat();
}

describe("an image baked once on this computer and imported into every cloud", function () {
  this.timeout(1_800_000);
  const recipe = tinyRecipe("imported");
  const bucket = "ci-images-test";
  let storage: StorageEmulator;
  let clouds: Subject[];
  let stacks: CloudStack[];
  let home: string;

  before(async () => {
    storage = await StorageEmulator.start(bucket);
    const openstack = await openRackspace();
    const gce = await openGce(["debian12"], undefined, (source) => storage.content(source));
    gce.variables.STORAGE_EMULATOR_HOST = storage.url;
    gce.settings.gce = { ...(gce.settings.gce as object), bucket };
    clouds = [openstack, await openEc2(), gce];
    stacks = [await CloudStack.on(clouds[0], recipe, { bakery: "local" })];
    home = join(stacks[0].directory, "images");
    for (const cloud of clouds.slice(1)) {
      stacks.push(await CloudStack.on(cloud, recipe, { bakery: "local", imageDirectory: home }));
    }
  });
  after(async () => {
    for (const stack of stacks.reverse()) await stack.remove();
    assert.deepEqual(await storage.objects(bucket), []);
    for (const cloud of clouds) {
      assert.deepEqual(await cloud.leftovers(), [], "destroyed stacks leave nothing behind");
      await cloud.close();
    }
    await storage.close();
  });

  it("is announced by a preview that creates nothing", async () => {
    const { output } = await stacks[0].succeed("preview");
    assert.match(output, /local-debian12: will be baked: no image of recipe [0-9a-f]{8} yet/);
    assert.match(
      output,
      /debian12: will be imported from the local bake of recipe [0-9a-f]{8}, which will be baked first/,
    );
    assert.deepEqual(await imagesIn(home), []);
  });

  it("is baked by only one of several stacks that run at once, and verified by each in its cloud", async () => {
    const runs = await Promise.all(stacks.map((stack) => stack.up()));
    const bakes = runs.filter(({ output }) => /ci-images:local:Image\b.*creat/.test(output));
    assert.equal(bakes.length, 1, "one bake");
    assert.equal((await imagesIn(home)).length, 1);
    const images = await Promise.all(stacks.map((stack) => stack.image()));
    for (const [index, image] of images.entries()) {
      assert.deepEqual(await clouds[index].images(), [image!.id]);
      assert.deepEqual(await clouds[index].machines(), []);
    }
    assert.equal(new Set(images.map((image) => image!.recipe)).size, 1, "one recipe hash");
  });

  it("shows no changes after the second `up`, even with a refresh", async () => {
    for (const stack of stacks) {
      const before = await stack.image();
      await stack.up();
      const left = (await stack.bakeRecords()).filter((urn) => !/ci-images:local:Image::/.test(urn));
      assert.deepEqual(left, []);
      assert.deepEqual(await stack.image(), before);
      await stack.expectNoChanges();
      await stack.succeed("refresh", "--yes", "--skip-preview");
      await stack.expectNoChanges();
    }
  });

  it("is imported again without a bake if a cloud loses it, even if pulumi is killed on the way", async () => {
    const [cloud] = clouds;
    const [stack] = stacks.filter((each) => each.directory === home.replace(/\/images$/, ""));
    await stack.settings({ bakery: "local", verify: false });
    await cloud.deleteImage((await stack.image())!.id);
    const preview = await stack.succeed("preview");
    assert.match(preview.output, /will be imported from the local bake of recipe [0-9a-f]{8}, which is there: /);
    assert.ok(await stack.killedAt(/ServerImage \S+ creating/));
    await stack.up();
    assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
    assert.equal((await imagesIn(home)).length, 1);
  });

  it("is published by the verb `publish` on a stack without a valid recipe, and destroyed with that stack", async () => {
    const cloud = await openRackspace();
    const [folder] = (await imagesIn(home)).map((name) => join(home, "debian12", name));
    const stack = await CloudStack.on(cloud, { modules: "no list" }, { verify: false });
    try {
      await doVerb(stack, "--stack", stack.name, "publish", folder);
      assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
    assert.deepEqual(await cloud.leftovers(), []);
    await cloud.close();
    assert.equal((await imagesIn(home)).length, 1, "the local image stays, because it belongs to another stack");
  });
});
