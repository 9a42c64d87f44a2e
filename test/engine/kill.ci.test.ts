// Pulumi killed with kill -9 while a module runs, the image is written and the image boots: no work is lost, and nothing
// is left over. kill.long.test.ts kills it at the other stages.
import assert from "node:assert/strict";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("kill -9 of pulumi", function () {
  this.timeout(900_000);
  let stack: TestStack;

  afterEach(() => stack.remove());

  it("at a module, the image and its boot in turn, each time followed by `up`, leaves one verified image and nothing else", async () => {
    stack = await TestStack.create(scriptRecipe("sleep 1"), { verify: true });
    for (const begins of [/Command \S+-run creating/, /local:Image \S+ creating/, /VirtualMachine \S+ creating/]) {
      assert.ok(await stack.killedAt(begins), `at ${begins}`);
    }
    await stack.up();
    await stack.up();
    await stack.expectOneVerifiedImage();
    const { checks } = await stack.proof();
    assert.ok(checks.some((line) => line.includes("the file is there")));
    assert.ok(
      checks.some((line) => line.includes("the root file system fills the disk")),
      "the disk is larger than the image",
    );
    await stack.expectNoChanges();
  });
});
