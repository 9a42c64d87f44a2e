// A stack whose settings name another cloud than its state: what is no longer declared would be deleted.
import assert from "node:assert/strict";
import { runProgram, smallRecipe, type World } from "./program.ts";

const component = "ci-images:index:WorkerImage";

/** Records below a worker image, as `type name`. */
function records(...below: string[]): Record<string, object> {
  const project = "urn:pulumi:test::ci-images::";
  const named = below.map((each) => each.split(" "));
  return {
    [`${project}${component}::debian12`]: { type: component },
    ...Object.fromEntries(named.map(([type, name]) => [`${project}${component}$${type}::${name}`, { type }])),
  };
}

/** Answers only what the program asks before it declares or looks up anything, and nothing of any cloud. */
function world(...below: string[]): World {
  return { calls: { "pulumi:pulumi:readStackResourceOutputs": { outputs: records(...below) } } };
}

const ami = "aws:ec2/amiFromInstance:AmiFromInstance debian12-1a2b3c4d";
const builder = "ci-images:local:Builder debian12-1a2b3c4d-builder";

describe("a state with images of another cloud than the stack's", () => {
  for (const stage of ["none", "image"]) {
    it(`is refused at stage ${stage}, before anything is declared`, async () => {
      const refused = /Pulumi\.test\.yaml: ci-images:cloud: local, .* in ec2; .*pulumi config refresh -s test/;
      await assert.rejects(runProgram({ stage }, world(ami)), refused);
    });
  }

  it("is refused in every direction", async () => {
    const image = "ci-images:local:Image debian12-1a2b3c4d";
    await assert.rejects(runProgram({ cloud: "ec2" }, world(image)), /ec2, .* in local;/);
    const kept = "gcp:compute/image:Image debian12-1a2b3c4d";
    await assert.rejects(runProgram({ cloud: "ec2" }, world(kept)), /ec2, .* in gce;/);
    const server = "ci-images:rackspace:ServerImage debian12-1a2b3c4d";
    await assert.rejects(runProgram({}, world(server)), /local, .* in rackspace or openstack;/);
    // Baked here for a cloud, and not imported yet.
    const baked = "ci-images:local:Image local-debian12-1a2b3c4d";
    await assert.rejects(runProgram({}, world(baked)), /local, .* baked for a cloud;/);
  });

  it("is refused with only a builder, unless the stack's own cloud has something too", async () => {
    await assert.rejects(runProgram({ cloud: "ec2" }, world(builder)), /ec2, .* in local;/);
    const instance = "aws:ec2/instance:Instance debian12-1a2b3c4d-builder";
    // Somebody began to bake in the wrong cloud. The right one goes on; in the wrong one the AMI would be lost.
    await assert.rejects(runProgram({ cloud: "ec2" }, world(builder, instance)), notRefused);
    await assert.rejects(runProgram({}, world(builder, ami)), /local, .* in ec2;/);
  });

  it("is not one with the same cloud under its other name, or with images baked here for the cloud", async () => {
    const server = "ci-images:rackspace:ServerImage debian12-1a2b3c4d";
    await assert.rejects(runProgram({ cloud: "openstack" }, world(server)), notRefused);
    const baked = "ci-images:local:Image local-debian12-1a2b3c4d";
    await assert.rejects(runProgram({ cloud: "openstack" }, world(baked, server)), notRefused);
  });

  it("is not one with somebody's own resources of another cloud", async () => {
    const urn = "urn:pulumi:test::ci-images::aws:s3/bucket:Bucket::mine";
    const own = { [urn]: { type: "aws:s3/bucket:Bucket" } };
    const calls = { "pulumi:pulumi:readStackResourceOutputs": { outputs: own } };
    await assert.rejects(runProgram({}, { calls }, smallRecipe), notRefused);
  });
});

/** The program went on, to its first question to a cloud, which this test doesn't answer. */
function notRefused(error: Error): true {
  assert.notEqual(error.name, "UserError", error.message);
  return true;
}
