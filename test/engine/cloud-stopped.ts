// A builder that somebody stopped at the cloud's console, or a scheduler at night: the same on every stack that bakes.
import assert from "node:assert/strict";
import type { Account } from "./cloud-stack.ts";
import { prepare, recipe } from "./cloud-life-cycle.ts";

/** What becomes of it at stage `image`. */
export function stoppedElsewhere(open: () => Promise<Account>): void {
  const made = prepare(open, recipe(), { verify: false });

  it("is started again by the next `up`, without a refresh, and the bake goes on where it failed", async () => {
    const { output: failed } = await made.stack.failingUp();
    assert.match(failed, /not yet/);
    await made.cloud.stopMachine();
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /-files (creat|replac)/, "the same builder, and the module before is not run again");
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
    await made.stack.up();
    await made.stack.expectNoChanges();
  });
}
