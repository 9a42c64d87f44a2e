// Several distributions in one stack.
import assert from "node:assert/strict";
import { cachedBase } from "../cached-base.ts";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** What the slow module of each distribution takes, in seconds. */
const wait = 60;
const distributions = ["debian12", "debian13"];

describe("two distributions in one stack", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    // The bases are cached first: what they take is not what is measured.
    await Promise.all(distributions.map((distribution) => cachedBase(distribution)));
    stack = await TestStack.create(scriptRecipe(`sleep ${wait}`, { distribution: undefined, distributions }));
  });
  after(() => stack.remove());

  it("are baked side by side, in clearly less than the sum of the two", async () => {
    const { took } = await stack.up();
    assert.deepEqual(Object.keys((await stack.outputs()).images!.local), distributions);
    // One after the other they would take twice the waiting, and twice everything else beside it.
    assert.ok(took < 2 * wait, `both took ${took} s`);
    assert.deepEqual(await stack.machines(), []);
  });
});
