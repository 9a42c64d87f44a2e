// What happens when a bake does not go well: a module that fails, pulumi killed at any stage, destroy in the middle.
import assert from "node:assert/strict";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** Stages of a bake, by the line of the engine's output that says that the stage has begun. */
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
  ["the trial machine's end", /Retirement \S+-trial-retirement creating/],
  // Too quick to be hit by its own line.
  ["the promotion", /Retirement \S+-trial-retirement created/],
] as const;

describe("a bake that fails", function () {
  this.timeout(600_000);
  let stack: TestStack;

  beforeEach(async () => {
    stack = await TestStack.create(tinyRecipe());
  });
  afterEach(() => stack.remove());

  it("names the module, shows its last lines, says what to do, resumes there, and starts afresh when edited", async () => {
    await stack.recipe(scriptRecipe("echo counting >>/etc/tiny; echo the last words; test -e /run/let-me-pass"));
    const failed = await stack.failingUp();
    assert.match(failed.output, /module "?run"?/);
    assert.match(failed.output, /the last words/);
    assert.match(failed.output, /pulumi up/);
    assert.deepEqual(await stack.imageFolders(), []);
    assert.equal((await stack.outputs()).images, undefined);
    const [machine] = await stack.machines();
    assert.ok(machine, "the builder is kept");

    const resumed = await stack.failingUp();
    assert.doesNotMatch(resumed.output, /-files creat/, "the module before is not run again");
    assert.deepEqual(await stack.machines(), [machine], "on the same builder");
    assert.match(resumed.output, /goes on where it failed/);

    await stack.recipe(scriptRecipe("test $(grep -c counting /etc/tiny) = 0"));
    await stack.up();
    assert.deepEqual(await stack.machines(), [], "no dirty builder is left");
  });

  it("ends a module that takes too long, with a message that says so", async () => {
    await stack.recipe(scriptRecipe("sleep 300", { timeouts: { run: "2 seconds" } }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /took longer than|time limit|timed out/i);
    assert.ok(failed.took < 60);
  });

  it("says what to do when the connection is lost", async () => {
    await stack.recipe(scriptRecipe("systemctl stop --no-block ssh.service; pkill -KILL sshd"));
    const failed = await stack.failingUp();
    assert.match(failed.output, /run: if the connection was lost, run pulumi up again/);
    assert.match(failed.output, /pulumi destroy/);
  });

  it("is cleaned up by destroy, and can be baked again", async () => {
    await stack.recipe(scriptRecipe("false"));
    await stack.failingUp();
    assert.notDeepEqual(await stack.leftovers(), []);
    await stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await stack.leftovers(), []);
  });

  it("stops before the image when an acceptance test fails", async () => {
    await stack.recipe(tinyRecipe("one", { tests: [{ name: "pigs fly", run: "echo no wings; false" }] }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /not ok - .*pigs fly/);
    assert.match(failed.output, /no wings/);
    assert.deepEqual(await stack.imageFolders(), []);
  });
});

describe("pulumi killed with kill -9", function () {
  this.timeout(900_000);

  it("at every stage in turn, each time followed by `up`: ends with one image and no leftovers", async () => {
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
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
  });

  it("followed by destroy: leaves nothing", async () => {
    const stack = await TestStack.create(scriptRecipe("sleep 1"));
    try {
      for (const [stage, begins] of [stages[1], stages[2], stages[6]]) {
        await killAt(stack, stage, begins);
        await stack.succeed("cancel", "--yes");
        await stack.succeed("destroy", "--yes", "--skip-preview");
        assert.deepEqual(await stack.leftovers(), [], `after ${stage}`);
      }
    } finally {
      await stack.remove();
    }
  });
});

/** Runs `up` and kills pulumi when its output says that a stage has begun. */
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
