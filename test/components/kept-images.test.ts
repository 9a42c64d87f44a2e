// Stage `none`: a stack keeps its images without a builder, even if the recipe can't be read.
import assert from "node:assert/strict";
import { runProgram, type World } from "./program.ts";

const urn = "urn:pulumi:test::ci-images::ci-images:index:WorkerImage::debian12";

/** An image as `findImages` describes it. */
function image(recipe: string, proof?: object) {
  const path = `/images/debian12/${recipe}`;
  const base = { id: "base", description: "debian 12" };
  const plan = { recipe, name: "worker", distribution: "debian12", base, modules: [] };
  return { path, proof, manifest: { name: "worker", recipe, builtAt: "2026-01-01T00:00:00Z", base, plan } };
}

function world(outputs: object = { [urn]: { type: "ci-images:index:WorkerImage" } }): World {
  return {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs },
      "ci-images:local:findImages": {
        images: [image("b".repeat(64), {}), image("a".repeat(64), {}), image("c".repeat(64))],
        machines: [{ recipe: "c".repeat(64) }],
      },
    },
  };
}

describe("stage none", () => {
  it("declares only the verified images, even if the recipe can't be read", async () => {
    const { resources, calls } = await runProgram({ stage: "none" }, world(), { modules: "no list" });
    const declared = resources.map(({ type, name }) => `${type} ${name}`);
    assert.deepEqual(declared, [
      "ci-images:index:WorkerImage debian12",
      "ci-images:local:Image debian12-bbbbbbbb",
      "ci-images:local:Image debian12-aaaaaaaa",
    ]);
    assert.ok(resources.every(({ parent, type }) => type.endsWith("WorkerImage") || parent === "debian12"));
    assert.deepEqual(new Set(calls.map(({ token }) => token)), new Set(Object.keys(world().calls)));
  });

  it("keeps the newest image in the outputs, and does not change its WorkerImage", async () => {
    const graph = await runProgram({ stage: "none" }, world(), { modules: "no list" });
    const { images } = graph.outputs as { images: { local: Record<string, { recipe: string }> } };
    assert.equal(images.local.debian12.recipe, "b".repeat(64));
    const inputs = { name: "worker", recipe: "b".repeat(64), distribution: "debian12" };
    assert.deepEqual(graph.one("WorkerImage").inputs, inputs);
  });

  it("declares nothing if the state has no worker image", async () => {
    const { resources } = await runProgram({ stage: "none" }, world({}), { modules: "no list" });
    assert.deepEqual(resources, []);
  });

  it("is the only stage that works without a recipe", async () => {
    await assert.rejects(runProgram({}, world(), { modules: "no list" }), /modules/);
  });
});
