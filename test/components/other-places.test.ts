// A stack whose settings name no region or project, with the environment of somebody else: images in another place than
// the environment's would be deleted.
import assert from "node:assert/strict";
import { runProgram, type World } from "./program.ts";

type Known = [type: string, name: string, outputs: object];

/** Answers only the questions for the place. */
function world(records: Known[], place: string): World {
  const parent = "ci-images:index:WorkerImage";
  const outputs = Object.fromEntries(
    records.map(([type, name, outputs]) => [
      `urn:pulumi:test::ci-images::${parent}$${type}::${name}`,
      { type, outputs },
    ]),
  );
  return {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs },
      "ci-images:rackspace:regions": { regions: ["ORD", "DFW"], usual: place, notices: [] },
      "ci-images:ec2:configuredRegion": { region: place },
      "ci-images:gce:account": ({ project }: { project?: string }) => ({ project: project ?? place, who: "nobody" }),
    },
  };
}

const server = (region: string): Known => ["ci-images:rackspace:ServerImage", "debian12-1a2b3c4d", { region }];
const lease = (region: string, suffix = ""): Known => [
  "ci-images:ec2:ImageLease",
  `debian12-1a2b3c4d${suffix}-lease`,
  { region },
];
const ami = (region: string): Known[] => [lease(region), [amiType, "debian12-1a2b3c4d", {}]];
const copy = (region: string): Known[] => [
  lease(region, `-${region}`),
  ["aws:ec2/amiCopy:AmiCopy", `debian12-1a2b3c4d-${region}`, {}],
];
const amiType = "aws:ec2/amiFromInstance:AmiFromInstance";
const image = (project: string): Known => ["gcp:compute/image:Image", "debian12-1a2b3c4d", { project }];
const imported = (project: string): Known => ["ci-images:gce:ImportedImage", "debian12-1a2b3c4d", { project }];

describe("a place from the environment", () => {
  for (const stage of ["none", "image"]) {
    it(`is refused at stage ${stage} if all images are in another one`, async () => {
      for (const cloud of ["openstack", "rackspace"]) {
        const settings = { cloud, stage, [cloud]: { flavor: "1" } };
        const refused = new RegExp(
          `Pulumi\\.test\\.yaml: ci-images:${cloud}\\.regions: not set, .* DFW, .* in ORD, .* deleted; ` +
            `cure: set it to \\[ORD\\].* to \\[DFW\\]`,
        );
        await assert.rejects(runProgram(settings, world([server("ORD")], "DFW")), refused);
      }
      await assert.rejects(
        runProgram({ cloud: "ec2", stage }, world([...ami("us-west-2"), ...copy("eu-west-1")], "eu-west-1")),
        /ci-images:ec2\.region: not set, .* eu-west-1, .* in us-west-2, .* deleted; cure: set it to us-west-2, or correct [^;]*$/,
        "a region with copies is refused as a setting, too",
      );
      await assert.rejects(
        runProgram({ cloud: "ec2", stage }, world(ami("us-west-2"), "eu-north-1")),
        /cure: set it to us-west-2, or correct .*; to bake in eu-north-1 and delete the others, set it to eu-north-1$/,
      );
      for (const kept of [image, imported]) {
        await assert.rejects(
          runProgram({ cloud: "gce", stage }, world([kept("bakery")], "another")),
          /ci-images:gce\.project: not set, .* another, .* in bakery, .* deleted; cure: set it to bakery/,
        );
      }
    });
  }

  it("is not refused if it has images too, or the stack has none yet", async () => {
    const half = [server("ORD"), ["ci-images:rackspace:ServerImage", "debian12-5e6f7a8b", { region: "DFW" }]];
    for (const records of [half as Known[], []]) {
      await assert.rejects(runProgram({ cloud: "rackspace" }, world(records, "DFW")), notRefused);
    }
    await assert.rejects(runProgram({ cloud: "ec2" }, world(ami("us-west-2"), "us-west-2")), notRefused);
    await assert.rejects(runProgram({ cloud: "gce" }, world([image("bakery")], "bakery")), notRefused);
  });

  it("is not refused for builders elsewhere: a bake that was begun in the wrong place ends", async () => {
    const builder: Known = ["ci-images:rackspace:Lease", "debian12-1a2b3c4d-builder-lease", { region: "ORD" }];
    await assert.rejects(runProgram({ cloud: "rackspace" }, world([builder], "DFW")), notRefused);
    await assert.rejects(runProgram({ cloud: "ec2" }, world([lease("us-west-2")], "eu-west-1")), notRefused);
  });
});

describe("a place from the stack's settings", () => {
  it("may be another than that of the images: they move", async () => {
    const there = { cloud: "rackspace", rackspace: { regions: ["DFW"] } };
    await assert.rejects(runProgram(there, world([server("ORD")], "ORD")), notRefused);
    const ec2 = { cloud: "ec2", ec2: { region: "eu-west-1" } };
    await assert.rejects(runProgram(ec2, world(ami("us-west-2"), "us-west-2")), notRefused);
    const gce = { cloud: "gce", gce: { project: "another" } };
    await assert.rejects(runProgram(gce, world([image("bakery")], "bakery")), notRefused);
  });
});

/** The program went on, to its first question to a cloud, which this test doesn't answer. */
function notRefused(error: Error): true {
  assert.notEqual(error.name, "UserError", error.message);
  return true;
}
