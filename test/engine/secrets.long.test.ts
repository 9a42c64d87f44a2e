// A secret that ends up in a file that the recipe does not name. life-cycle.test.ts has one that does not.
import assert from "node:assert/strict";
import { tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

describe("a secret in a file that the recipe does not name", function () {
  this.timeout(300_000);

  it("fails the bake; the error names the file and hides the secret", async () => {
    const value = "a secret with several words";
    const recipe = tinyRecipe("one", {
      modules: ["files", "run"],
      files: [{ path: "/root/token", content: { secret: "TOKEN" }, keep_secret: true }],
      run: ["install -D -m 0600 /root/token /opt/forgotten/copy"],
      tests: [],
    });
    const stack = await TestStack.create(recipe, quickDisk);
    try {
      await stack.succeed("config", "set", "--secret", "--path", "ci-images:secrets.TOKEN", value);
      const { output } = await stack.failingUp();
      assert.match(output, /\/opt\/forgotten\/copy: holds a secret of the bake/);
      assert.ok(!output.includes(value));
    } finally {
      await stack.remove();
    }
  });
});
