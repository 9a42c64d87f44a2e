// Several distributions in one stack.
import assert from "node:assert/strict";
import { cachedBase } from "../cached-base.ts";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** A slow module that prints when it starts and ends, in seconds since 1970. Builders share this computer's clock. */
const script = 'echo "began at $(date +%s)"; sleep 40; echo "ended at $(date +%s)"';
const distributions = ["debian12", "debian13"];

describe("two distributions in one stack", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    // Cache the bases first, so that downloads don't delay one of the bakes.
    await Promise.all(distributions.map((distribution) => cachedBase(distribution)));
    stack = await TestStack.create(scriptRecipe(script, { distribution: undefined, distributions }));
  });
  after(() => stack.remove());

  it("are baked in parallel", async () => {
    const { output } = await stack.up();
    assert.deepEqual(Object.keys((await stack.outputs()).images!.local), distributions);
    const [one, other] = distributions.map((distribution) => {
      const seconds = (what: string): number => {
        const said = new RegExp(`${distribution}-\\w+-run\\b.*\\b${what} at (\\d+)`).exec(output);
        return Number(said?.[1] ?? assert.fail(`${distribution}: no "${what} at" in\n${output}`));
      };
      return { began: seconds("began"), ended: seconds("ended") };
    });
    assert.ok(one.began < other.ended && other.began < one.ended, JSON.stringify([one, other]));
    assert.deepEqual(await stack.machines(), []);
  });
});
