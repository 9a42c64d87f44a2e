// A look at a booting machine that hangs must not keep the next one from being made.
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { LatestLook } from "../../../components/local/provider/machine/latest-look.ts";
import type { Seen } from "../../../provider/kit/wait.ts";

describe("looks at a booting machine", () => {
  let looks: LatestLook<string>;
  let pending: ((found: Seen<string> | Error) => void)[];
  const start = () =>
    looks.start(
      () =>
        new Promise((resolve, reject) =>
          pending.push((found) => (found instanceof Error ? reject(found) : resolve(found))),
        ),
    );

  beforeEach(() => {
    looks = new LatestLook();
    pending = [];
  });

  it("are made one at a time", async () => {
    start();
    start();
    assert.equal(pending.length, 1);
    pending[0]({ state: "closed" });
    await turn();
    assert.deepEqual(looks.seen, { state: "closed" });
    start();
    assert.equal(pending.length, 2);
  });

  it("do not wait for one that was abandoned; its result only counts if it got in", async () => {
    start();
    looks.abandon();
    start();
    assert.equal(pending.length, 2);
    pending[1]({ state: "newer" });
    pending[0]({ state: "older" });
    await turn();
    assert.deepEqual(looks.seen, { state: "newer" });

    start();
    looks.abandon();
    start();
    pending[2]({ done: "in" });
    await turn();
    assert.deepEqual(looks.seen, { done: "in" });
  });

  it("keep what went wrong", async () => {
    start();
    pending[0](new Error("no network"));
    await turn();
    assert.match(String(looks.broken), /no network/);
  });
});
