// Builders of stack `ec2`: each start assigns another public address, and spot capacity can run out.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import { stagesAndPower } from "./cloud-stages.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";

describe("a bake in stages on ec2", function () {
  this.timeout(300_000);
  stagesAndPower(openEc2);
});

describe("spot machines on ec2", function () {
  this.timeout(300_000);
  const made = prepare(openEc2, tinyRecipe(), { stage: "builder", ec2: { region: "eu-central-1", spot: true } });

  it("fall back to on-demand machines if AWS has no spot capacity", async () => {
    const error = { code: "InsufficientInstanceCapacity", message: "There is no Spot capacity available" };
    made.cloud.ec2.api.faults.add({ action: "RunInstances", error });
    const { output } = await made.stack.up();
    assert.match(output, /no spot capacity \(InsufficientInstanceCapacity\): using an on-demand machine/);
    const lifecycles = (await made.cloud.ec2.instances()).map(({ InstanceLifecycle }) => InstanceLifecycle);
    assert.deepEqual(lifecycles, [undefined]);
    await made.stack.expectNoChanges();
  });

  it("are used if AWS has spot capacity, and the capacity check leaves nothing in the state", async () => {
    await made.stack.recipe(tinyRecipe("two"));
    await made.stack.up();
    const lifecycles = (await made.cloud.ec2.instances()).map(({ InstanceLifecycle }) => InstanceLifecycle);
    assert.deepEqual(lifecycles, ["spot"]);
    await made.stack.expectNoChanges();
  });
});

describe("a builder on ec2 whose settings change", function () {
  this.timeout(300_000);
  const region = "eu-central-1";
  const made = prepare(openEc2, tinyRecipe(), { stage: "builder" });

  it("stays unchanged, and the next builder gets the new settings", async () => {
    await made.stack.up();
    const [before] = await made.cloud.ec2.instances();
    const other = { ec2: { region, instanceType: "t3.medium", spot: true, encrypted: false }, tags: { team: "ci" } };
    await made.stack.settings({ stage: "builder", ...other });
    await made.stack.up();
    const [after, ...more] = await made.cloud.ec2.instances();
    assert.deepEqual([after.InstanceId, after.InstanceType, more], [before.InstanceId, "t3.small", []]);
    await made.stack.expectNoChanges();
    await made.cloud.loseMachine();
    await made.stack.up();
    const [fresh] = await made.cloud.ec2.instances();
    assert.deepEqual([fresh.InstanceType, fresh.InstanceLifecycle], ["t3.medium", "spot"]);
    assert.ok(fresh.Tags?.some(({ Key, Value }) => Key === "team" && Value === "ci"));
    await made.stack.expectNoChanges();
  });
});
