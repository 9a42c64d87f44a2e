// Secrets: where they come from, and refusals that don't show their values.
import assert from "node:assert/strict";
import { readSecrets, slowDigest } from "../../provision/recipe/secrets.ts";

describe("secrets", () => {
  it("come from the stack settings, overridden by the environment", () => {
    const found = readSecrets({ A: "one", B: "two" }, { CI_IMAGES_SECRET_B: "three", PATH: "/bin" });
    assert.deepEqual(found, { A: "one", B: "three" });
    assert.deepEqual(readSecrets(undefined), {});
  });

  it("are refused together if they are invalid, without showing their values", () => {
    const wrong = { "a-b": "hunter2", EMPTY: " ", NUMBER: 4711, NUL: "hunter2\0" };
    assert.throws(
      () => readSecrets(wrong),
      (error: Error) => {
        assert.equal(error.message.split("\n").length, 4);
        assert(!/hunter2|4711/.test(error.message), error.message);
        return true;
      },
    );
    assert.throws(() => readSecrets("text"), /not an object/);
  });

  it("have digests that depend on name and value, and reveal neither", () => {
    const digests = [slowDigest("A", "x"), slowDigest("A", "y"), slowDigest("B", "x")];
    assert.equal(new Set(digests).size, 3);
    assert.equal(slowDigest("A", "x"), digests[0]);
    for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/);
  });
});
