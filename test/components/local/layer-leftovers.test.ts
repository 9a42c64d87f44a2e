// Layers that can't be removed must not stop anybody's bake: all projects of a user share them.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { layersFunction } from "../../../components/local/provider/functions/layers.ts";
import {
  describeLayer,
  layerFolder,
  removeLayerLeftovers,
} from "../../../components/local/provider/layers/layer-store.ts";
import { startFromLayer } from "../../../components/local/provider/layers/start-from-layer.ts";
import { emptyCache } from "./support.ts";

describe("layers that can't be removed", () => {
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  let layers: string;
  let lines: string[];
  const progress = (line: string) => void lines.push(line);

  beforeEach(async () => {
    cache = await emptyCache();
    layers = join(cache.path, "layers");
    await mkdir(layers, { recursive: true });
    lines = [];
  });
  afterEach(async () => {
    await execa("chattr", ["-i", layers]);
    await cache.restore();
  });

  it("are named if they are leftovers, and the list is shown all the same", async () => {
    const names = [".removed-half", ".new-11111111-2222-3333-4444-555555555555"];
    for (const name of names) await mkdir(join(layers, name));
    await execa("chattr", ["+i", layers]);
    await removeLayerLeftovers(progress);
    const problems = lines.splice(0);
    assert.equal(problems.length, names.length, problems.join("\n"));
    for (const [at, name] of names.sort().entries()) assert.ok(problems[at].includes(join(layers, name)), problems[at]);
    const context = { progress, signal: new AbortController().signal };
    assert.deepEqual((await layersFunction.call({ remove: false }, context)).layers, []);
    assert.deepEqual(lines, problems);
  });

  it("are not used if they are damaged: the builder starts from the base", async () => {
    const base = join(cache.path, "bases/debian12-0/root");
    await mkdir(base, { recursive: true });
    const place = { base, loginUser: "debian" };
    const damaged = await layerFolder(place, "prefix");
    await mkdir(damaged);
    const description = await describeLayer(place, {
      prefix: "prefix",
      modules: ["git"],
      authorizedKey: "",
      hostPublicKey: "",
    });
    await writeFile(join(damaged, "layer.json"), JSON.stringify(description));
    await execa("chattr", ["+i", layers]);
    const upper = join(cache.path, "upper");
    const overlay = { lower: [base], upper, work: upper, path: upper };
    const started = await startFromLayer(
      place,
      ["prefix"],
      join(cache.path, "index"),
      () => Promise.resolve(overlay),
      progress,
    );
    assert.deepEqual(started, { overlay });
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^the layer up to module git can't be used: .*; it could not be removed: .*/);
    assert.ok(lines[0].includes(damaged), lines[0]);
  });
});
