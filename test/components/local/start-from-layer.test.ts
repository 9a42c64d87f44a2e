// Cancelling a builder's start from a layer.
import assert from "node:assert/strict";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { describeLayer, layerFolder } from "../../../components/local/provider/layers/layer-store.ts";
import { startFromLayer } from "../../../components/local/provider/layers/start-from-layer.ts";
import { emptyCache } from "./support.ts";

describe("a builder's start from a layer", () => {
  it("ends at once when it is cancelled", async () => {
    const cache = await emptyCache();
    try {
      const base = join(cache.path, "bases/debian12-0/root");
      const place = { base, loginUser: "debian" };
      await mkdir(base, { recursive: true });
      const layer = await layerFolder(place, "prefix");
      await mkdir(layer, { recursive: true });
      const own = { prefix: "prefix", modules: ["git"], authorizedKey: "", hostPublicKey: "" };
      await writeFile(join(layer, "layer.json"), JSON.stringify(await describeLayer(place, own)));
      // A list that nobody finishes writing: reading it takes for ever.
      await execa("mkfifo", [join(layer, "files")]);
      const upper = join(cache.path, "upper");
      const overlay = { lower: [base], upper, work: upper, path: upper };
      const controller = new AbortController();
      const starting = startFromLayer(
        place,
        ["prefix"],
        join(cache.path, "index"),
        () => Promise.resolve(overlay),
        assert.fail,
        controller.signal,
      );
      // Opens as soon as the list is being read.
      const writer = await open(join(layer, "files"), "w");
      const began = performance.now();
      try {
        controller.abort(new Error("cancelled"));
        await assert.rejects(starting, /cancelled/);
      } finally {
        await writer.close();
      }
      assert.ok(performance.now() - began < 3000);
    } finally {
      await cache.restore();
    }
  });
});
