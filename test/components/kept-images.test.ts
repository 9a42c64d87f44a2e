// Stage `none`: a stack keeps its images without a builder, even if the recipe can't be read.
import assert from "node:assert/strict";
import { runProgram, type Graph, type World } from "./program.ts";

const urn = "urn:pulumi:test::ci-images::ci-images:index:WorkerImage::debian12";

/** An image as `findImages` describes it. */
function image(recipe: string, proof?: object) {
  const path = `/images/debian12/${recipe}`;
  const base = { id: "base", description: "debian 12" };
  const plan = { recipe, name: "worker", distribution: "debian12", base, modules: [], size: "4G", formats: ["qcow2"] };
  return { path, proof, manifest: { name: "worker", recipe, builtAt: "2026-01-01T00:00:00Z", base, plan } };
}

/** A state with a worker image and the stack, and their outputs. */
function state(worker: object, stack: object = {}): object {
  return {
    [urn]: { type: "ci-images:index:WorkerImage", outputs: worker },
    "urn:pulumi:test::ci-images::pulumi:pulumi:Stack::ci-images-test": {
      ...{ type: "pulumi:pulumi:Stack", outputs: stack },
    },
  };
}

const earlier = { recipe: "a".repeat(64) };
/** The image of an earlier recipe is published. */
const recorded = state({ images: { local: earlier }, recipeName: "worker", outputKey: "debian12" });
/** The same after a bake that failed: the engine has dropped the worker image's outputs. */
const onlyPublished = state({}, { images: { local: { debian12: earlier } } });

/** Answers to what a bake asks. */
const lookups = {
  "ci-images:local:resolveBase": { id: "base", description: "debian 12" },
  "ci-images:local:preflight": { accelerator: "tcg" },
  "ci-images:local:findLayers": { count: 0 },
};

function world(outputs: object = { [urn]: { type: "ci-images:index:WorkerImage" } }, more: World["calls"] = {}): World {
  const key = { publicKey: "ssh-ed25519 PUBLIC", privateKey: "PRIVATE" };
  return {
    outputs: {
      "ci-images:local:Image": ({ path, recipe }) => {
        return { ...{ path, recipe, disk: "/d", sha256: "5a", bytes: 2, builtAt: "2026" }, builder: {} };
      },
      "ci-images:index:KeyPair": () => key,
      "ci-images:local:Lease": () => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z" }),
      "ci-images:local:Builder": () => ({ host: "h", port: 22, instance: "i" }),
      "command:remote:Command": () => ({ stdout: `machine-id ${"1".repeat(32)}\n` }),
    },
    calls: {
      ...more,
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

  it("keeps the published image in the outputs, although a later one was proven", async () => {
    for (const outputs of [recorded, onlyPublished]) {
      const graph = await runProgram({ stage: "none" }, world(outputs), { modules: "no list" });
      assert.equal(published(graph), "a".repeat(64));
      assert.equal((graph.one("WorkerImage").inputs as { recipe: string }).recipe, "a".repeat(64));
      assert.deepEqual(graph.names("Image").sort(), ["debian12-aaaaaaaa", "debian12-bbbbbbbb"]);
    }
  });

  it("keeps the newest image in the outputs if the published one is gone", async () => {
    const gone = state({ images: { local: { recipe: "e".repeat(64) } } });
    const graph = await runProgram({ stage: "none" }, world(gone), { modules: "no list" });
    assert.equal(published(graph), "b".repeat(64));
  });

  it("keeps the keys of a stack of several recipes, also after a bake that failed", async () => {
    const [a, b] = ["a", "b"].map((letter) => ({ recipe: letter.repeat(64) }));
    const type = "ci-images:index:WorkerImage";
    const below = (worker: string, { recipe }: { recipe: string }) => ({
      [`urn:pulumi:test::ci-images::${type}$ci-images:local:Image::${worker}-${recipe.slice(0, 8)}`]: {
        type: "ci-images:local:Image",
      },
    });
    const outputs = {
      ...state({}, { images: { local: { "worker-debian12": b } } }),
      [`${urn}-base`]: { type, outputs: {} },
      ...below("debian12", b),
      ...below("debian12-base", a),
    };
    const graph = await runProgram({ stage: "none" }, world(outputs), { modules: "no list" });
    assert.deepEqual(graph.names("WorkerImage").sort(), ["debian12", "debian12-base"]);
    const { local } = (graph.outputs as { images: { local: object } }).images;
    assert.deepEqual(Object.keys(local), ["worker-debian12"], "the base of another recipe has none");
  });

  it("declares nothing if the state has no worker image", async () => {
    const { resources } = await runProgram({ stage: "none" }, world({}), { modules: "no list" });
    assert.deepEqual(resources, []);
  });

  it("is the only stage that works without a recipe", async () => {
    await assert.rejects(runProgram({}, world(), { modules: "no list" }), /modules/);
  });
});

describe("a stack that went back to an earlier recipe", () => {
  it("keeps its image in the outputs at stages before `image`", async () => {
    for (const outputs of [recorded, onlyPublished]) {
      const graph = await runProgram({ stage: "builder" }, world(outputs, lookups));
      assert.equal(published(graph), "a".repeat(64));
      assert.ok(graph.names("Image").includes("debian12-bbbbbbbb"), "the later one stays, too");
    }
  });

  it("keeps that image beside the next one, which is explained against it", async () => {
    for (const outputs of [recorded, onlyPublished]) {
      const graph = await runProgram({ verify: false, keep: 1 }, world(outputs, lookups));
      assert.match(graph.messages.join("\n"), /will be baked: recipe aaaaaaaa => /);
      const kept = graph.names("Image").filter((name) => /a{8}|b{8}/.test(name));
      assert.deepEqual(kept, ["debian12-aaaaaaaa"], "the way back");
    }
  });
});

function published({ outputs }: Graph): string {
  return (outputs as { images: { local: Record<string, { recipe: string }> } }).images.local.debian12.recipe;
}
