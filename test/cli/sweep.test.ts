// Where `sweep` looks for leftovers, according to the stack's settings.
import assert from "node:assert/strict";
import type { Call, FunctionContract } from "../../common/contract.ts";
import { sweep } from "../../cli/verbs/sweep.ts";
import { findCloud } from "../../components/clouds.ts";

const answers: Record<string, object> = {
  "ci-images:ec2:configuredRegion": { region: "us-west-2" },
  "ci-images:rackspace:regions": { regions: ["DFW", "ORD"], usual: "DFW" },
};

/** Where a cloud's sweep looks. @param others Whether it may call other functions first. */
async function placesOf(cloud: string, own: Record<string, unknown>, others: "asks" | "needs no lookup") {
  let inputs: Record<string, unknown> | undefined;
  const call = (async ({ token }: FunctionContract, given: Record<string, unknown>) => {
    if (!token.endsWith(":sweep")) return others === "asks" ? answers[token] : assert.fail(others);
    inputs = given;
    return { leftovers: [] };
  }) as unknown as Call;
  const asked = { project: "p", stack: "s", home: "/images", lifetime: 3600, remove: false };
  assert.deepEqual(await findCloud(cloud).sweep(own, asked, call), []);
  const { regions, place, bucket } = inputs!;
  return Object.fromEntries(Object.entries({ regions, place, bucket }).filter(([, value]) => value !== undefined));
}

describe("sweep", () => {
  it("looks for the stack's label, which has no organization", async () => {
    let stack: string | undefined;
    const opened = {
      name: "acme/ec2",
      project: "ci-images",
      settings: { get: () => undefined, text: (_key: string, byDefault: string) => byDefault },
      facts: {
        name: "ec2",
        sweep: (_own: object, asked: { stack: string }) => Promise.resolve(((stack = asked.stack), [])),
      },
    };
    const session = {
      stack: () => Promise.resolve(opened),
      interrupted: new AbortController().signal,
      projectDirectory: "/",
    };
    const output = { result: () => {}, note: () => {} };
    await sweep.run({ session, output, options: {}, operands: [] } as unknown as Parameters<typeof sweep.run>[0]);
    assert.equal(stack, "ec2");
  });

  it("searches the region that a stack bakes in and those that it copies to", async () => {
    const copying = { region: "eu-west-1", copyTo: ["us-east-1"] };
    assert.deepEqual(await placesOf("ec2", copying, "needs no lookup"), { regions: ["eu-west-1", "us-east-1"] });
    assert.deepEqual(await placesOf("ec2", {}, "asks"), { regions: ["us-west-2"] });
  });

  it("searches the project or the regions of the settings, or those that the credentials name", async () => {
    assert.deepEqual(await placesOf("gce", { project: "mine" }, "needs no lookup"), { place: "mine" });
    assert.deepEqual(await placesOf("gce", {}, "needs no lookup"), {});
    assert.deepEqual(await placesOf("rackspace", { regions: ["IAD"] }, "needs no lookup"), { regions: ["IAD"] });
    assert.deepEqual(await placesOf("rackspace", {}, "asks"), { regions: ["DFW"] });
    assert.deepEqual(await placesOf("openstack", {}, "asks"), { regions: ["DFW"] });
    assert.deepEqual(await placesOf("local", {}, "needs no lookup"), {});
  });
});
