// The verbs clear operations that a killed command left in the state ("1 pending operations").
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { CommandStack } from "../../cli/stack.ts";
import { Output } from "../../cli/output.ts";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("operations that a killed command left", function () {
  this.timeout(180_000);

  it("are cleared before a verb starts its work, without asking the cloud", async () => {
    const stack = await TestStack.create(tinyRecipe("one"));
    try {
      const project = `urn:pulumi:${stack.name}::ci-images::`;
      const root = {
        urn: `${project}pulumi:pulumi:Stack::ci-images-${stack.name}`,
        type: "pulumi:pulumi:Stack",
        custom: false,
      };
      const type = "ci-images:local:Builder";
      const builder = { urn: `${project}${type}::debian12-11111111-builder`, type, custom: true, parent: root.urn };
      // `pulumi stack import` drops pending operations, so edit the engine's file.
      const state = JSON.parse(await readFile(stack.stateFile, "utf8")) as { checkpoint: { latest: object } };
      Object.assign(state.checkpoint.latest, {
        resources: [root],
        pending_operations: [{ type: "creating", resource: builder }],
      });
      await writeFile(stack.stateFile, JSON.stringify(state));

      const { signal } = new AbortController();
      const choice = { stack: stack.name };
      const opened = await CommandStack.open(
        stack.directory,
        choice,
        new Output(false, false),
        signal,
        stack.environment,
      );
      const before = await opened.state();
      assert.deepEqual(before.interrupted, [builder.urn]);
      await opened.forgetInterrupted(before);
      assert.deepEqual((await opened.state()).interrupted, []);
    } finally {
      await stack.remove();
    }
  });
});
