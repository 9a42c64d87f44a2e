// Bakes whose module takes too long or loses its connection. failure.test.ts has a module that fails.
import assert from "node:assert/strict";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

describe("a bake that is stopped or cut off", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe(), quickDisk);
  });
  after(() => stack.remove());

  it("stops a module at its time limit with an error that says so; destroy cleans up", async () => {
    await stack.recipe(scriptRecipe("sleep 300", { timeouts: { run: "2 seconds" } }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /took longer than|time limit|timed out/i);
    assert.ok(failed.took < 60);
    assert.equal((await stack.machines()).length, 1);
    await stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await stack.leftovers(), []);
  });

  it("says what to do after the connection was lost", async () => {
    await stack.recipe(scriptRecipe("systemctl stop --no-block ssh.service; pkill -KILL sshd"));
    const failed = await stack.failingUp();
    assert.match(failed.output, /run: if the connection was lost, run pulumi up again/);
    assert.match(failed.output, /pulumi destroy/);
  });
});
