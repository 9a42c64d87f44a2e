// The small JSON files in a machine's folder.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readState, writeState } from "../../../components/local/provider/state-file.ts";

describe("a state file", () => {
  it("can be written by several steps at once, and is always whole", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-state-"));
    try {
      const file = join(folder, "layers.json");
      const content = (size: number) => ({ text: "x".repeat(size) });
      await Promise.all(Array.from({ length: 50 }, (_, index) => writeState(file, content(index * 1000))));
      const { text } = (await readState<{ text: string }>(file))!;
      assert.equal(text.length % 1000, 0);
      assert.deepEqual(await readdir(folder), ["layers.json"]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
