// Builders that somebody else has stopped, and spot builders that AWS has taken back.
import assert from "node:assert/strict";
import { prepare, recipe } from "./cloud-life-cycle.ts";
import { stoppedElsewhere } from "./cloud-stopped.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openLocal } from "./subjects/local.ts";
import { openRackspace } from "./subjects/rackspace.ts";

describe("a builder that somebody else has stopped", function () {
  this.timeout(300_000);
  describe("on ec2", () => stoppedElsewhere(openEc2));
  describe("on rackspace", () => stoppedElsewhere(openRackspace));
  describe("on this computer", () => stoppedElsewhere(openLocal));
});

describe("a spot builder that AWS takes back", function () {
  this.timeout(300_000);
  const made = prepare(openEc2, recipe(), { verify: false, ec2: { region: "eu-central-1", spot: true } });

  it("is replaced by a fresh one, because only AWS can restart it", async () => {
    await made.stack.failingUp();
    const [builder] = await made.cloud.ec2.instances();
    assert.equal(builder.InstanceLifecycle, "spot");
    await made.cloud.ec2.api.interrupt("eu-central-1", builder.InstanceId!);
    const { output } = await made.stack.failingUp();
    assert.match(output, /-files (created|replaced)/, "the modules run again on the fresh builder");
    const [fresh, ...others] = await made.cloud.ec2.instances();
    assert.notEqual(fresh.InstanceId, builder.InstanceId);
    assert.deepEqual(others, []);
    await made.stack.up();
    const image = await made.stack.image();
    await made.stack.up();
    assert.deepEqual(await made.cloud.leftovers([image!.id]), [], "no machine is left");
  });
});
