// Ctrl-C in the middle of a bake stops it cleanly and prints how to continue and how to clean up. Both work.
import assert from "node:assert/strict";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";
import { doVerb, interruptVerb, typeVerb } from "./verbs.ts";

/** Takes minutes the first time it runs on a machine, and no time after that. */
const longOnce = "if [ -e /opt/second-time ]; then exit 0; fi; touch /opt/second-time; echo at work; sleep 500";

describe("Ctrl-C", function () {
  this.timeout(600_000);
  let stack: TestStack;

  beforeEach(async () => {
    stack = await TestStack.create(scriptRecipe(longOnce, { modules: ["files", "run"] }));
  });
  afterEach(() => stack.remove());

  it("while a module runs ends the verb soon with status 1, and the same command continues on the same builder", async () => {
    const { stderr: output, exitCode, seconds } = await interruptVerb(stack, /debian12: run \.\.\./, "it");
    assert.equal(exitCode, 1);
    assert.ok(seconds < 60, `it took ${seconds} s`);
    assert.match(output, /stopping cleanly/);
    assert.match(output, /stopped\. Run the same command again to continue.*To clean up: \.\/ci-images destroy/s);
    assert.doesNotMatch(output, /error:|FAILED|panic/);
    const [builder] = await stack.machines();
    assert.ok(builder);
    const { stderr } = await doVerb(stack, "it");
    assert.match(stderr, /continues where it failed or stopped/);
    assert.doesNotMatch(stderr, /debian12: files done/, "the finished module does not run again");
    assert.deepEqual(await stack.machines(), []);
    assert.equal((await stack.imageFolders()).length, 1);
    await stack.expectNoChanges();
  });

  it("while the builder starts ends the verb soon, and `destroy` leaves nothing behind", async () => {
    const { stderr: output, exitCode } = await interruptVerb(stack, /debian12: builder lease/, "up");
    assert.equal(exitCode, 1);
    assert.match(output, /To clean up: \.\/ci-images destroy/);
    await doVerb(stack, "destroy");
    assert.deepEqual(await stack.leftovers(), []);
    await stack.expectNoChanges();
  });

  describe("in ssh", () => {
    const quick = { modules: ["files"], run: undefined };
    beforeEach(async () => {
      await stack.recipe(tinyRecipe("one", quick));
      await doVerb(stack, "up");
    });

    it("ends the client like OpenSSH, and only says that the builder keeps running", async () => {
      const { stderr, exitCode, seconds } = await interruptVerb(
        stack,
        /at work/,
        "ssh",
        "echo at work >&2; exec sleep 500",
      );
      assert.equal(exitCode, 255);
      assert.ok(seconds < 10, `it took ${seconds} s`);
      assert.equal(stderr, "at work\nThe builder keeps running.");
      assert.equal((await doVerb(stack, "ssh", "echo here")).stdout, "here");
    });

    it("goes to the remote command when typed at a terminal", async () => {
      const command = "trap 'echo heard it; exit 7' INT; echo at work; while true; do sleep 0.1; done";
      const { output, exitCode } = await typeVerb(stack, /at work/, "\u0003", "ssh", command);
      assert.equal(exitCode, 7);
      assert.match(output, /heard it/);
      assert.doesNotMatch(output, /good order|pulumi|stopped/);
    });
  });
});
