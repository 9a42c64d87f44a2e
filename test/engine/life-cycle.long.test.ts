// As life-cycle.test.ts: what happens after somebody has deleted an image.
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

describe("an image on `local` whose disk was deleted", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe(), quickDisk);
  });
  after(() => stack.remove());

  /** Deletes the disk, and refreshes. @returns the image's folder. */
  async function deleteDisk(): Promise<string> {
    const { disk, path } = (await stack.outputs()).images!.local.debian12;
    await rm(disk);
    const { output } = await stack.succeed("refresh", "--yes", "--skip-preview");
    assert.ok(output.includes(`${path}: a file is missing, so the image counts as deleted`), output);
    return path;
  }

  it("is noticed on refresh, and baked again at the same place", async () => {
    await stack.up();
    const path = await deleteDisk();
    const again = await stack.up();
    assert.match(again.output, /will be baked/);
    assert.equal((await stack.outputs()).images!.local.debian12.path, path);
  });

  it("leaves nothing after destroy", async () => {
    await deleteDisk();
    await stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await stack.leftovers(), []);
  });
});
