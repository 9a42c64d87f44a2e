import assert from "node:assert/strict";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";

describe("an SSH key pair", () => {
  it("is valid, for thousands of key pairs", () => {
    // ssh2's own generator damages about one key in 200.
    for (let count = 0; count < 1500; count++) {
      const { publicKey, privateKey } = makeSshKeyPair("a comment");
      const halves = [publicKey, privateKey].map((half) => ssh2.utils.parseKey(half));
      const [known, own] = halves.map((half) => (half instanceof Error ? assert.fail(half) : half));
      assert.equal(known.getPublicSSH().length, 51);
      assert.deepEqual(own.getPublicSSH(), known.getPublicSSH());
      assert.equal(own.sign("data") instanceof Error, false);
      assert.match(publicKey, /^ssh-ed25519 [A-Za-z0-9+/]{68} a comment$/);
    }
  });
});
