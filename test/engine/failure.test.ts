// A bake whose module fails. failure.ci.test.ts has other failures, life-cycle.test.ts a failing acceptance test.
import assert from "node:assert/strict";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

describe("a bake that fails", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe(), quickDisk);
  });
  after(() => stack.remove());

  it("names the failed module, shows its last lines and failed units, resumes there, and starts over after an edit", async () => {
    const service = '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "echo the unit says why; exit 3"\\n';
    const unit = `printf '${service}' >/run/systemd/system/doomed.service; systemctl start doomed.service || true`;
    await stack.recipe(
      scriptRecipe(`echo counting >>/etc/tiny; ${unit}; echo the last words; test -e /run/let-me-pass`),
    );
    const failed = await stack.failingUp();
    assert.match(failed.output, /module "?run"?/);
    assert.match(failed.output, /the last words/);
    assert.match(failed.output, /doomed\.service has failed[^\n]*\n\s*the unit says why/);
    assert.match(failed.output, /pulumi up/);
    assert.deepEqual(await stack.imageFolders(), []);
    assert.equal((await stack.outputs()).images, undefined);
    const [machine] = await stack.machines();
    assert.ok(machine, "the builder is kept");

    const resumed = await stack.failingUp();
    assert.doesNotMatch(resumed.output, /-files creat/, "the finished module does not run again");
    assert.deepEqual(await stack.machines(), [machine], "on the same builder");
    assert.match(resumed.output, /continues where it failed/);

    await stack.recipe(scriptRecipe("test $(grep -c counting /etc/tiny) = 0"));
    await stack.up();
    assert.deepEqual(await stack.machines(), [], "the dirty builder is deleted");
  });
});
