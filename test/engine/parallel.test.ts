// Several distributions in one stack.
import assert from "node:assert/strict";
import { cachedBase } from "../cached-base.ts";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** A slow module, in seconds since 1970 by this computer's clock, which builders share. */
const script = 'echo "began at $(date +%s)"; sleep 40; echo "ended at $(date +%s)"';
const distributions = ["debian12", "debian13"];

describe("two distributions in one stack", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    // The bases are cached first: what they take is not what is measured.
    await Promise.all(distributions.map((distribution) => cachedBase(distribution)));
    stack = await TestStack.create(scriptRecipe(script, { distribution: undefined, distributions }));
  });
  after(() => stack.remove());

  it("are baked side by side", async () => {
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
