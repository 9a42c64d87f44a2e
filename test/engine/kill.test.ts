// Pulumi killed with kill -9 at any stage of the life cycle: no work is lost, and nothing is left over.
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

describe("kill -9 of pulumi", function () {
  this.timeout(900_000);

  it("at every stage in turn, each time followed by `up`, leaves one verified image and nothing else", async () => {
    const stack = await TestStack.create(scriptRecipe("sleep 1"), { verify: true });
    try {
      for (const [stage, begins] of stages) {
        await killAt(stack, stage, begins);
        await stack.succeed("cancel", "--yes");
      }
      await stack.up();
      await stack.up();
      assert.deepEqual(await stack.machines(), []);
      assert.equal((await stack.imageFolders()).length, 1);
      assert.deepEqual(await stack.bakeRecords(), []);
      const { how, checks } = await stack.proof();
      assert.match(how, /^qemu (kvm|tcg), uefi$/);
      assert.ok(checks.some((line) => line.includes("the file is there")));
      assert.ok(
        checks.some((line) => line.includes("the root file system fills the disk")),
        "the disk is larger than the image",
      );
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
  });

  it("leaves nothing after a destroy; `up` makes the image after a kill at the promotion", async () => {
    const stack = await TestStack.create(scriptRecipe("sleep 1"));
    try {
      for (const [stage, begins] of [stages[1], stages[6]]) {
        await killAt(stack, stage, begins);
        await stack.succeed("cancel", "--yes");
        await stack.succeed("destroy", "--yes", "--skip-preview");
        assert.deepEqual(await stack.leftovers(), [], `after ${stage}`);
      }
      await killAt(stack, "the promotion", /Promotion \S+ creating/);
      await stack.succeed("cancel", "--yes");
      await stack.up();
      assert.equal((await stack.imageFolders()).length, 1);
    } finally {
      await stack.remove();
    }
  });
});

/** Runs `up` and kills pulumi when its output says that the stage has started. */
async function killAt(stack: TestStack, stage: string, begins: RegExp): Promise<void> {
  const running = stack.start("up", "--yes", "--skip-preview");
  let output = "";
  running.all.on("data", (data: Buffer) => {
    output += data.toString();
    if (begins.test(output)) running.kill("SIGKILL");
  });
  const { signal } = await running;
  if (signal !== "SIGKILL") throw new Error(`pulumi was not killed at ${stage}:\n${output}`);
}
