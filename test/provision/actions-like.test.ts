// The recipe actions-like, as far as it can be checked without a bake: no duplicates, sound scripts and tests.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { planRecipe } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { sealVersion } from "../../provision/seal/seal.ts";

const file = fileURLToPath(new URL("../../provision/recipes/actions-like.yaml", import.meta.url));

describe("recipe actions-like", () => {
  it("can be planned on Debian 12, and every module has checks", async () => {
    const recipe = await loadRecipe(file);
    const { modules, checks } = await planRecipe(recipe, recipe.distributions[0], { sealVersion });
    assert.ok(modules.length > 10);
    const silent = modules.map(({ name }) => name).filter((name) => !checks.some(({ module }) => module === name));
    // The module `run` has no checks; the recipe's own tests cover it.
    assert.deepEqual(silent, ["run"]);
  });

  it("lists no package twice", async () => {
    const { configuration } = await loadRecipe(file);
    for (const key of ["install_packages", "npm_packages"]) {
      const names = (configuration as Record<string, string[]>)[key];
      assert.deepEqual(
        names.filter((name, index) => names.indexOf(name) !== index),
        [],
      );
    }
  });

  it("has scripts and tests that pass shellcheck", async () => {
    const recipe = await loadRecipe(file);
    const { modules, checks } = await planRecipe(recipe, recipe.distributions[0], { sealVersion });
    const steps = modules.flatMap((module) =>
      module.steps.flatMap((step) => (step.kind === "script" ? step.script : [])),
    );
    const input = ["set -e", ...steps, ...checks.map(({ script }) => `(\n${script}\n)`)].join("\n");
    const options = ["--shell=bash", "--severity=warning", "--exclude=SC2016,SC2041,SC2043,SC2317", "-"];
    const { stdout } = await execa("shellcheck", options, { input, reject: false });
    assert.equal(stdout, "");
  });
});
