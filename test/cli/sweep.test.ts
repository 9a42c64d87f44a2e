// Where `sweep` looks for leftovers, according to the stack's settings.
import assert from "node:assert/strict";
import type { Ask } from "../../components/cloud-facts.ts";
import { findCloud } from "../../components/clouds.ts";

const answers: Record<string, object> = {
  configuredRegion: { region: "us-west-2" },
  regions: { regions: ["DFW", "ORD"], usual: "DFW" },
};
const ask = async <T>(name: string) => answers[name] as T;
const nobody = () => assert.fail("no lookup is needed");
const placesToLookIn = (cloud: string, own: object, asking: Ask) =>
  findCloud(cloud).placesToLookIn(own as Record<string, unknown>, asking);

describe("sweep", () => {
  it("searches the region that a stack bakes in and those that it copies to", async () => {
    assert.deepEqual(await placesToLookIn("ec2", { region: "eu-west-1", copyTo: ["us-east-1"] }, nobody), {
      regions: ["eu-west-1", "us-east-1"],
    });
    assert.deepEqual(await placesToLookIn("ec2", {}, ask), { regions: ["us-west-2"] });
  });

  it("searches the project or the regions of the settings, or those that the credentials name", async () => {
    assert.deepEqual(await placesToLookIn("gce", { project: "mine" }, nobody), { place: "mine" });
    assert.deepEqual(await placesToLookIn("gce", {}, nobody), {});
    assert.deepEqual(await placesToLookIn("rackspace", { regions: ["IAD"] }, nobody), { regions: ["IAD"] });
    assert.deepEqual(await placesToLookIn("rackspace", {}, ask), { regions: ["DFW"] });
    assert.deepEqual(await placesToLookIn("openstack", {}, ask), { regions: ["DFW"] });
    assert.deepEqual(await placesToLookIn("local", {}, nobody), {});
  });
});
