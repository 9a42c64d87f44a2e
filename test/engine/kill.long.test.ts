// Pulumi killed with kill -9 at every stage of the life cycle. kill.ci.test.ts has the most important ones.
import assert from "node:assert/strict";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** Stages of a bake, each with the engine's output line that marks its start. */
const stages = [
  ["the base image", /BaseImage \S+ creating/],
  ["the builder", /Builder \S+ creating/],
  ["a module", /Command \S+-run creating/],
  ["the tests", /Command \S+-tests creating/],
  ["sealing", /Command \S+-seal creating/],
  ["the stop", /Stop \S+ creating/],
  ["the image", /local:Image \S+ creating/],
  ["the retirement", /Retirement \S+ creating/],
  ["the boot of the image", /VirtualMachine \S+ creating/],
  ["the verification", /Command \S+-verify creating/],
  // Not the promotion: an image killed there may be promoted already, and its trial machine has no retirement to wait
  // for.
  ["the trial machine's end", /Retirement \S+-trial-retirement creating/],
] as const;

describe("kill -9 of pulumi at any stage", function () {
  this.timeout(900_000);
  let stack: TestStack;

  afterEach(() => stack.remove());

  it("in turn, each time followed by `up`, leaves one verified image and nothing else", async () => {
    stack = await TestStack.create(scriptRecipe("sleep 1"), { verify: true });
    for (const [stage, begins] of stages) assert.ok(await stack.killedAt(begins), `pulumi was not killed at ${stage}`);
    await stack.up();
    await stack.up();
    await stack.expectOneVerifiedImage();
    await stack.expectNoChanges();
  });

  it("leaves nothing after a destroy; `up` makes the image after a kill at the promotion", async () => {
    stack = await TestStack.create(scriptRecipe("sleep 1"));
    for (const begins of [/Builder \S+ creating/, /local:Image \S+ creating/]) {
      assert.ok(await stack.killedAt(begins), `at ${begins}`);
      await stack.succeed("destroy", "--yes", "--skip-preview");
      assert.deepEqual(await stack.leftovers(), []);
    }
    assert.ok(await stack.killedAt(/Promotion \S+ creating/));
    await stack.up();
    assert.equal((await stack.imageFolders()).length, 1);
  });
});
