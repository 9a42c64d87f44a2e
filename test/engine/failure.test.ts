// What happens when a bake does not go well: a module that fails, takes too long or loses its connection, a test that fails.
import assert from "node:assert/strict";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("a bake that fails", function () {
  this.timeout(600_000);
  let stack: TestStack;

  beforeEach(async () => {
    stack = await TestStack.create(tinyRecipe());
  });
  afterEach(() => stack.remove());

  it("names the module, shows its last lines and those of units that failed, says what to do, resumes there, and starts afresh when edited", async () => {
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
    assert.doesNotMatch(resumed.output, /-files creat/, "the module before is not run again");
    assert.deepEqual(await stack.machines(), [machine], "on the same builder");
    assert.match(resumed.output, /continues where it failed/);

    await stack.recipe(scriptRecipe("test $(grep -c counting /etc/tiny) = 0"));
    await stack.up();
    assert.deepEqual(await stack.machines(), [], "no dirty builder is left");
  });

  it("ends a module that takes too long, with a message that says so; destroy cleans up", async () => {
    await stack.recipe(scriptRecipe("sleep 300", { timeouts: { run: "2 seconds" } }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /took longer than|time limit|timed out/i);
    assert.ok(failed.took < 60);
    assert.notDeepEqual(await stack.leftovers(), []);
    await stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await stack.leftovers(), []);
  });

  it("says what to do when the connection is lost", async () => {
    await stack.recipe(scriptRecipe("systemctl stop --no-block ssh.service; pkill -KILL sshd"));
    const failed = await stack.failingUp();
    assert.match(failed.output, /run: if the connection was lost, run pulumi up again/);
    assert.match(failed.output, /pulumi destroy/);
  });

  it("stops before the image when an acceptance test fails; the outputs go on naming the last good image, which stays", async () => {
    await stack.up();
    const good = (await stack.outputs()).images!.local.debian12;
    await stack.recipe(tinyRecipe("one", { tests: [{ name: "pigs fly", run: "echo no wings; false" }] }));
    const failed = await stack.failingUp();
    assert.match(failed.output, /not ok - .*pigs fly/);
    assert.match(failed.output, /no wings/);
    assert.deepEqual((await stack.outputs()).images!.local.debian12, good);
    assert.equal((await stack.imageFolders()).length, 1);
  });
});
