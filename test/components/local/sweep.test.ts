// A sweep of this computer finds unfinished images of abandoned bakes.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localSweep } from "../../../components/local/provider/functions/sweep.ts";
import type { Context } from "../../../provider/resource.ts";

describe("a sweep of this computer", () => {
  it("lists unfinished images older than a bake can take, and removes them only on request", async () => {
    const home = await mkdtemp(join(tmpdir(), "ci-images-sweep-"));
    try {
      for (const name of ["old.partial", "young.partial", "finished"]) {
        await mkdir(join(home, "debian12", name), { recursive: true });
      }
      const hoursAgo = Date.now() / 1000 - 5 * 3600;
      await utimes(join(home, "debian12/old.partial"), hoursAgo, hoursAgo);
      const owner = { project: "ci-images", stack: "sweep-test", home, lifetime: 4 * 3600 };
      const sweep = async (remove: boolean) => {
        const { leftovers } = await localSweep.call({ ...owner, remove }, {} as Context);
        return leftovers.map(({ name }) => name);
      };
      assert.deepEqual(await sweep(false), [join(home, "debian12/old.partial")]);
      assert.deepEqual(await sweep(true), [join(home, "debian12/old.partial")]);
      assert.deepEqual((await readdir(join(home, "debian12"))).sort(), ["finished", "young.partial"]);
      assert.deepEqual(await sweep(true), []);
    } finally {
      await rm(home, { recursive: true });
    }
  });
});
