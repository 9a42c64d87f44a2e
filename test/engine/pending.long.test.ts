// After `kill -9` and `pulumi cancel`: the interrupted operation is cleared; and what `status` says between a bake and the next `up`.
import assert from "node:assert/strict";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";
import { doVerb } from "./verbs.ts";

describe("operations that a killed command left", function () {
  this.timeout(600_000);
  let stack: TestStack;
  beforeEach(async () => {
    stack = await TestStack.create(scriptRecipe("sleep 1"));
  });
  afterEach(() => stack.remove());

  async function pending(): Promise<number> {
    const { output } = await stack.succeed("stack", "export");
    const state = JSON.parse(output) as { deployment: { pending_operations?: object[] } };
    return state.deployment.pending_operations?.length ?? 0;
  }

  /** Leaves an operation behind, as a crash does. */
  async function killWhileMaking(begins: RegExp): Promise<void> {
    const running = stack.start("up", "--yes", "--skip-preview");
    let output = "";
    running.all.on("data", (data: Buffer) => {
      output += data.toString();
      if (begins.test(output)) running.kill("SIGKILL");
    });
    await running;
    await stack.succeed("cancel", "--yes");
    assert.equal(await pending(), 1, output);
  }

  it("are cleared by the verbs, and by the command that the README names; a retired builder is told as retired", async () => {
    await killWhileMaking(/Builder \S+ creating/);
    await stack.succeed("refresh", "--clear-pending-creates", "--yes", "--skip-preview");
    assert.equal(await pending(), 0);

    await killWhileMaking(/Builder \S+ creating/);
    const { stderr } = await doVerb(stack, "bootstrap");
    assert.match(stderr, /a killed command was making debian12-\w+-builder: clearing that/);
    assert.equal(await pending(), 0);
    assert.doesNotMatch((await doVerb(stack, "status")).stderr, /pending operations/);

    await stack.succeed("config", "rm", "ci-images:stage");
    await stack.up();
    const { stdout } = await doVerb(stack, "status");
    assert.match(stdout, /^builder debian12: retired, `\.\/ci-images it` drops its records, recipe \w+$/m);
    assert.doesNotMatch(stdout, /not answering/);
    await doVerb(stack, "it");
    assert.match((await doVerb(stack, "status")).stdout, /^no builder$/m);
  });
});
