// A bake starts from the layer of an earlier bake with the same first modules.
import assert from "node:assert/strict";
import { openLayerCache, type LayerCache } from "./layered-stack.ts";
import { scriptRecipe } from "./recipes.ts";
import type { TestStack } from "./test-stack.ts";

describe("layers", function () {
  this.timeout(300_000);
  let cache: LayerCache;
  let stack: TestStack;

  before(async () => {
    cache = await openLayerCache();
    stack = await cache.newStack(scriptRecipe("echo >>/etc/run-once; sleep 3"), { stage: "provisioned" });
  });
  after(async () => {
    await stack.remove();
    await cache.close();
  });

  it("spare an edited recipe the modules before the edit; the preview announces it, and the builder has those modules' results", async () => {
    await stack.up();
    await cache.settled();
    await stack.recipe(
      scriptRecipe("echo >>/etc/run-once; sleep 3", {
        modules: ["files", "run", "umask"],
        umask: "0027",
        tests: [{ name: "the first modules ran once, on another builder", run: "test $(wc -l </etc/run-once) = 1" }],
      }),
    );
    const preview = await stack.succeed("preview");
    assert.match(preview.output, /debian12: 1 of 3 modules run, 2 from a layer/);
    await stack.settings({ stage: "tested" });
    const { output } = await stack.up();
    assert.match(output, /Builder.* starts from a layer of \S+: files, run/);
    assert.match(output, /ci-images: came with a layer/);
    assert.match(output, /[^t] ok - recipe: the first modules ran once/);
    const steps = (await stack.resources()).map(({ urn, dependencies = [] }) => ({ urn, dependencies }));
    const waitsFor = (step: string, other: string) =>
      steps.find(({ urn }) => urn.endsWith(step))!.dependencies.some((urn) => urn.endsWith(other));
    assert.ok(
      waitsFor("-run", "-settled") && !waitsFor("-run", "-files-layer"),
      "the present modules run side by side",
    );
    assert.ok(waitsFor("-umask", "-files-layer") && waitsFor("-umask", "-run-layer"), "the next one waits for all");
  });
});
