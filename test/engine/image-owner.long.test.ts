// Two stacks with the same recipe and image directory, on the real engine: the image belongs to the stack that baked it.
import assert from "node:assert/strict";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("two stacks with the same recipe and image directory", function () {
  this.timeout(600_000);
  const stacks: TestStack[] = [];

  after(async () => {
    for (const stack of stacks) await stack.remove();
  });

  async function newStack(settings: Record<string, unknown> = {}): Promise<TestStack> {
    const stack = await TestStack.create(tinyRecipe(), { verify: false, ...settings });
    stacks.push(stack);
    return stack;
  }

  it("don't take each other's image: the second is refused at preview, and its destroy deletes nothing", async () => {
    const one = await newStack();
    // The second run drops the bake's records.
    for (let time = 0; time < 2; time++) await one.up();
    const two = await newStack({ imageDirectory: one.images });
    const refusal = new RegExp(
      `an image of stack ${one.name} of project .*cure: set \`ci-images:imageDirectory\``,
      "s",
    );
    const preview = await two.run("preview");
    assert.notEqual(preview.exitCode, 0);
    assert.match(preview.output, refusal);
    assert.match((await two.failingUp()).output, refusal);
    await two.succeed("destroy", "--yes", "--skip-preview");
    assert.equal((await one.imageFolders()).filter((name) => name.startsWith("tiny-")).length, 1);
    await one.expectNoChanges();

    await one.succeed("destroy", "--yes", "--skip-preview");
    await two.up();
    await two.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(
      (await one.imageFolders()).filter((name) => name.startsWith("tiny-")),
      [],
    );
  });
});
