// Secrets: where they come from, and that wrong ones are refused without being shown.
import assert from "node:assert/strict";
import { readSecrets, slowDigest } from "../../provision/recipe/secrets.ts";

describe("secrets", () => {
  it("come from the stack setting, and the environment wins over it", () => {
    const found = readSecrets({ A: "one", B: "two" }, { CI_IMAGES_SECRET_B: "three", PATH: "/bin" });
    assert.deepEqual(found, { A: "one", B: "three" });
    assert.deepEqual(readSecrets(undefined), {});
  });

  it("wrong ones are refused, all of them, and their values are not in the message", () => {
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

  it("their digest depends on name and value, and gives neither away", () => {
    const digests = [slowDigest("A", "x"), slowDigest("A", "y"), slowDigest("B", "x")];
    assert.equal(new Set(digests).size, 3);
    assert.equal(slowDigest("A", "x"), digests[0]);
    for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/);
  });
});
