// A builder that a person or a nightly scheduler has stopped: the same on ec2, rackspace and local.
import assert from "node:assert/strict";
import type { Account } from "./cloud-stack.ts";
import { prepare, recipe } from "./cloud-life-cycle.ts";

/** The next `up` of such a builder at stage `image`. */
export function stoppedElsewhere(open: () => Promise<Account>): void {
  const made = prepare(open, recipe(), { verify: false });

  it("is restarted by the next `up` without a refresh, and the bake continues where it failed", async () => {
    const { output: failed } = await made.stack.failingUp();
    assert.match(failed, /not yet/);
    await made.cloud.stopMachine();
    const { output } = await made.stack.up();
    assert.doesNotMatch(
      output,
      /-files (creat|replac)/,
      "it is the same builder, and the finished module does not run again",
    );
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
    await made.stack.up();
    await made.stack.expectNoChanges();
  });
}
