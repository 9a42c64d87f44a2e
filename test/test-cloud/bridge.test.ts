// How the test cloud imitates the official providers when they detect changes and refuse inputs.
import assert from "node:assert/strict";
import { changesOf, inputFailures, previewOf, type Values } from "./bridge.ts";
import { sdkSchema, type Schema } from "./sdk-schema.ts";

const token = "aws:ec2/instance:Instance";

describe("the test cloud's imitation of the official providers", () => {
  let schema: Schema;
  before(async () => {
    schema = (await sdkSchema("aws", [token])).types[token].inputs;
  });
  const changes = (state: Values, olds: Values, news: Values) =>
    Object.fromEntries(changesOf(schema, state, olds, news));

  it("compares the recorded state only with the program's inputs", () => {
    const state = { ami: "ami-1", rootBlockDevice: { volumeSize: 8, volumeId: "vol-1" }, publicIp: "1.2.3.4" };
    const said = { ami: "ami-1", rootBlockDevice: { volumeSize: 8 } };
    assert.deepEqual(changes(state, said, said), {});
    assert.deepEqual(changes(state, said, { ...said, ami: "ami-2" }), { ami: "update" });
    assert.deepEqual(changes({ ...state, ami: "ami-0" }, said, said), { ami: "update" }, "drift");
    assert.deepEqual(changes(state, said, { ami: "ami-1" }), { rootBlockDevice: "delete" });
    const larger = { ...said, rootBlockDevice: { volumeSize: 9 } };
    assert.deepEqual(changes(state, said, larger), { "rootBlockDevice.volumeSize": "update" });
  });

  it("detects changes of every tag, but ignores zero values and the order of sets", () => {
    const tagged = { tags: { one: "1" } };
    assert.deepEqual(changes({ tags: { one: "1", two: "2" } }, tagged, tagged), { "tags.two": "delete" });
    assert.deepEqual(changes({}, {}, { ebsOptimized: false, description: "" }), {});
    const groups = { vpcSecurityGroupIds: ["a", "b"] };
    assert.deepEqual(changes({ vpcSecurityGroupIds: ["b", "a"] }, groups, groups), {});
  });

  it("checks inputs against the SDK's declarations at any depth, and accepts unknown values", async () => {
    const { types } = await sdkSchema("aws", [token]);
    const complaints = (inputs: Record<string, unknown>) =>
      inputFailures(types[token].inputs, inputs).map(({ property }) => property);
    assert.deepEqual(complaints({ ami: "ami-1", rootBlockDevice: { volumeSize: 8 }, tags: { a: "b" } }), []);
    assert.deepEqual(complaints({ rootBlockDevice: { volumeSize: "8" } }), ["rootBlockDevice.volumeSize"]);
    assert.deepEqual(complaints({ colour: "red", tags: { a: 1 } }), ["colour", "tags.a"]);
    const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
    assert.deepEqual(complaints({ rootBlockDevice: { volumeSize: unknown } }), []);
  });

  it("knows the program's inputs in a preview, but not the cloud's outputs", async () => {
    const { types } = await sdkSchema("aws", [token]);
    const preview = previewOf(types[token], { ami: "ami-1" });
    assert.equal(preview.ami, "ami-1");
    assert.equal(preview.publicIp, "04da6b54-80e4-46f7-96ec-b56ff0331ba9");
  });
});
