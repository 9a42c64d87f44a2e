// Ctrl-C in the middle of a bake: it stops in good order, says how to go on and how to clean up, and both work.
import assert from "node:assert/strict";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";
import { doVerb, interruptVerb } from "./verbs.ts";

/** Takes longer than anybody waits, the first time that it runs on a machine. */
const longOnce = "if [ -e /opt/second-time ]; then exit 0; fi; touch /opt/second-time; echo at work; sleep 500";

describe("Ctrl-C", function () {
  this.timeout(600_000);
  let stack: TestStack;

  beforeEach(async () => {
    stack = await TestStack.create(scriptRecipe(longOnce, { modules: ["files", "run"] }));
  });
  afterEach(() => stack.remove());

  it("while a module runs: ends soon with status 1, and the same command goes on with the same builder", async () => {
    const { stderr: output, exitCode, seconds } = await interruptVerb(stack, /debian12: run \.\.\./, "it");
    assert.equal(exitCode, 1);
    assert.ok(seconds < 60, `it took ${seconds} s`);
    assert.match(output, /stopping in good order/);
    assert.match(output, /stopped\. To go on, give the same command again.*To clean up: ci-images destroy/s);
    assert.doesNotMatch(output, /error:|FAILED|panic/);
    const [builder] = await stack.machines();
    assert.ok(builder);
    const { stderr } = await doVerb(stack, "it");
    assert.match(stderr, /goes on where it failed or stopped/);
    assert.doesNotMatch(stderr, /debian12: files done/, "the module before is not run again");
    assert.deepEqual(await stack.machines(), []);
    assert.equal((await stack.imageFolders()).length, 1);
    await stack.expectNoChanges();
  });

  it("while it begins: ends soon, and `destroy` leaves nothing", async () => {
    const { stderr: output, exitCode } = await interruptVerb(stack, /debian12: builder lease/, "up");
    assert.equal(exitCode, 1);
    assert.match(output, /To clean up: ci-images destroy/);
    await doVerb(stack, "destroy");
    assert.deepEqual(await stack.leftovers(), []);
    await stack.expectNoChanges();
  });
});
