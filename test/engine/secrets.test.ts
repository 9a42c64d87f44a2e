// Secrets in a real bake: they end up in the file that the recipe names. secrets.long.test.ts has one that ends up in
// another file.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tinyRecipe } from "./recipes.ts";
import { quickDisk, TestStack } from "./test-stack.ts";

const value = "correct horse battery staple";
const digest = createHash("sha256").update(value).digest("hex");
const token = { path: "/root/token", content: { secret: "TOKEN" }, keep_secret: true };

describe("a secret of the stack", function () {
  this.timeout(300_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe(), quickDisk);
    await stack.succeed("config", "set", "--secret", "--path", "ci-images:secrets.TOKEN", value);
  });
  after(() => stack.remove());

  it("is masked in the output, encrypted in the state, absent from the manifest and intact in its file", async () => {
    await stack.recipe(
      tinyRecipe("one", {
        modules: ["files", "run"],
        files: [token],
        run: ["echo the file says: $(cat /root/token)"],
        tests: [{ name: "the file is intact", run: `[ "$(sha256sum </root/token)" = "${digest}  -" ]` }],
      }),
    );
    // The module `run` uses no secret itself; it prints the secret that an earlier module wrote.
    const { output } = await stack.up();
    assert.match(output, /1 passed, 0 failed|ok - recipe: the file is intact/);
    const { path } = (await stack.outputs()).images!.local.debian12;
    const texts = [
      (await stack.succeed("stack", "export")).output,
      await readFile(join(path, "manifest.json"), "utf8"),
      await readFile(join(path, "proof.json"), "utf8"),
    ];
    for (const text of texts) assert.ok(!text.includes(value));
    assert.ok(!output.includes(value), "the output masks it");
  });
});
