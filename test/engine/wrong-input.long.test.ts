// As wrong-input.test.ts, at the other places that refuse something.
import { execa } from "execa";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

describe("wrong input", function () {
  this.timeout(300_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe());
  });
  after(() => stack.remove());

  it("an unknown stack setting: the error suggests the nearest name", async () => {
    await stack.settings({ recipie: "x" });
    await stack.refusedUp("ci-images:recipie", /did you mean "recipe"/);
  });

  it("an image directory without free space: the error says how much is needed", async () => {
    const small = join(stack.directory, "small");
    await mkdir(small);
    await execa("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", small]);
    try {
      await stack.settings({ imageDirectory: small });
      await stack.refusedUp(small, /0\.0 GiB of free disk/, /at least \d/);
    } finally {
      await execa("umount", [small]);
    }
  });
});
