// Bakes and verifies the library's largest recipe. The duration depends on the package registries.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { load } from "js-yaml";
import { bake } from "./bake.ts";

describe("recipe actions-like", function () {
  this.timeout("3h");

  it("bakes into a verified image that passes the recipe's tests", async () => {
    const file = new URL("../../provision/recipes/actions-like.yaml", import.meta.url);
    const recipe = load(await readFile(file, "utf8")) as { modules: string[]; tests: { name: string }[] };
    const { checks, took, size } = await bake(recipe);
    process.stdout.write(`      ${Math.round(took)} s, ${(size / 2 ** 30).toFixed(1)} GiB\n`);
    for (const { name } of recipe.tests)
      assert.ok(
        checks.some((check) => check.endsWith(name)),
        name,
      );
  });
});
