// File locks across processes, beside what the tests of bases and machines show.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withLock } from "../../../components/local/provider/file-lock.ts";

describe("a lock that somebody else holds", function () {
  this.timeout(60_000);

  it("is no longer waited for as soon as the user cancels", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    const file = join(folder, "lock");
    const cancelled = new AbortController();
    const cancelSoon = () => setTimeout(() => cancelled.abort(new Error("cancelled")), 300);
    try {
      await withLock(file, async () => {
        const options = { onWait: cancelSoon, signal: cancelled.signal };
        const other = withLock(file, () => assert.fail("it was taken twice"), options);
        const stillWaits = delay(10_000, undefined, { ref: false }).then(() => assert.fail("it still waits"));
        await assert.rejects(Promise.race([other, stillWaits]), /cancelled/);
      });
      assert.equal(await withLock(file, () => Promise.resolve("free")), "free");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
