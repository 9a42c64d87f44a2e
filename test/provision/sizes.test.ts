// Parsing of sizes and durations.
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatSize, parseDuration, parseSize } from "../../common/sizes.ts";

describe("sizes and durations", () => {
  it("are parsed with units; those of sizes are powers of 1024", () => {
    assert.equal(parseSize("4G"), 4 * 1024 ** 3);
    assert.equal(parseSize("512M"), 512 * 1024 ** 2);
    assert.equal(parseSize("1.5 GiB"), 1536 * 1024 ** 2);
    assert.equal(parseSize("1tb"), 1024 ** 4);
  });

  it("are refused if a size has no unit, an unknown unit, no number or a fraction of a MiB", () => {
    for (const wrong of ["4", "4X", "", "G", "-4G", "0G", "4 G 5", "0.3M", "1e3G"])
      assert.equal(parseSize(wrong), undefined, wrong);
  });

  it("survive formatting and parsing, for every size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1 << 26 }), (mebibytes) => {
        assert.equal(parseSize(formatSize(mebibytes * 1024 ** 2)), mebibytes * 1024 ** 2);
      }),
    );
  });

  it("accept long and short units of durations, and demand one", () => {
    assert.equal(parseDuration("90 seconds"), 90);
    assert.equal(parseDuration("30 minutes"), 1800);
    assert.equal(parseDuration("2h"), 7200);
    for (const wrong of ["30", "", "minutes", "5 parsecs", "1ms"]) assert.equal(parseDuration(wrong), undefined, wrong);
  });
});
