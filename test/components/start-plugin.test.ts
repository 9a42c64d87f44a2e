// The program makes the engine start the plugin before it loads itself.
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import declare from "../../index.ts";

describe("the program", () => {
  it("first of all asks the plugin for its cloud's part, and goes on if that fails", async () => {
    const calls: string[] = [];
    const mocks: pulumi.runtime.Mocks = {
      newResource: () => assert.fail("it declares nothing"),
      call: ({ token }) => {
        calls.push(token);
        throw new Error(`no ${token} here`);
      },
    };
    await pulumi.runtime.setMocks(mocks, "project", "stack", false, "organization");
    pulumi.runtime.setAllConfig({ "ci-images:cloud": "ec2" });
    await assert.rejects(declare, "the state can't be read");
    assert.deepEqual(calls, ["ci-images:ec2:ready", "pulumi:pulumi:readStackResourceOutputs"]);
  });
});
