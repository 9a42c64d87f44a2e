// The facts that an image carries in its description.
import assert from "node:assert/strict";
import fc from "fast-check";
import { packFacts, unpackFacts } from "../../../common/image-facts.ts";

const options = { longest: 2048, dispensable: ["plan", "base"] };

describe("the facts of an image", () => {
  it("survive packing and unpacking, whatever they are", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (facts) => {
        const written = packFacts("worker", facts, { longest: Infinity, dispensable: [] });
        assert.deepEqual(unpackFacts(written), JSON.parse(JSON.stringify(facts)));
      }),
    );
  });

  it("drop dispensable keys, in the given order, if there is no room", () => {
    const noise = (length: number) =>
      Array.from({ length }, (_, i) => ((i * 2654435761) % 4294967296).toString(36)).join("");
    const kept = (plan: number, base: number) => {
      const text = packFacts("worker", { recipe: "r", plan: noise(plan), base: noise(base) }, options);
      assert.ok(text.length <= 2048);
      return Object.keys(unpackFacts(text)!);
    };
    assert.deepEqual(kept(10, 10), ["recipe", "plan", "base"]);
    assert.deepEqual(kept(800, 10), ["recipe", "base"]);
    assert.deepEqual(kept(10, 800), ["recipe"]);
    assert.throws(() => packFacts("worker", { recipe: noise(800) }, options), RangeError);
  });

  it("are missing from other texts", () => {
    for (const text of [undefined, "", "an image", "cut off ci-images:q1YqSk1O"])
      assert.equal(unpackFacts(text), undefined);
  });
});
