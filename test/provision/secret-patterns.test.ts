// The texts that sealing searches for: a secret's value in every form in which a file may contain it.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { searchedTexts, tooShortToSearch } from "../../provision/seal/secret-patterns.ts";

/** Whether the search finds the value in a file with this text. Searches line by line, like grep. */
function isFound(value: string, text: string): boolean {
  const lines = text.split("\n");
  return searchedTexts([value]).some((searched) => lines.some((line) => line.includes(searched)));
}

const wrap = (text: string, width: number) => text.replaceAll(new RegExp(`.{${width}}`, "g"), "$&\n");

describe("the search for secrets in an image", () => {
  const key = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  }).privateKey;
  const account = JSON.stringify(
    { type: "service_account", private_key_id: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", private_key: key },
    undefined,
    2,
  );

  it("finds a value verbatim, in URLs, in JSON and in base64, whatever surrounds it", () => {
    const printable = fc.string({ unit: "grapheme-ascii", minLength: 6, maxLength: 80 });
    fc.assert(
      fc.property(printable, fc.string(), fc.string(), (text, before, after) => {
        const value = `x1${text.trim()}9y`;
        assert.ok(isFound(value, `password = ${value}`));
        assert.ok(isFound(value, `https://me:${encodeURIComponent(value)}@example.com/`));
        assert.ok(isFound(value, JSON.stringify({ password: value })));
        const around = Buffer.from(`${before}${value}${after}`);
        assert.ok(isFound(value, around.toString("base64")));
        assert.ok(isFound(value, around.toString("base64url")));
      }),
    );
  });

  it("finds a value of 32 bytes or more in base64 wrapped at 64 or 76 characters", () => {
    const token = fc.stringMatching(/^[A-Za-z0-9]{32,100}$/);
    fc.assert(
      fc.property(
        token,
        fc.string({ maxLength: 150, size: "max" }),
        fc.constantFrom(64, 76),
        (value, before, width) => {
          assert.ok(isFound(value, wrap(Buffer.from(before + value).toString("base64"), width)));
        },
      ),
    );
  });

  it("finds a key by any of its lines, and in base64", () => {
    const [, , third] = key.split("\n");
    assert.ok(isFound(key, `  ${third}`));
    assert.ok(isFound(key, JSON.stringify(key)));
    assert.ok(isFound(key, wrap(Buffer.from(`{"auth":"${key}`).toString("base64"), 76)));
  });

  it("does not find what all keys or account files have in common", () => {
    assert.ok(!isFound(key, "-----BEGIN PRIVATE KEY-----\nanother\n-----END PRIVATE KEY-----"));
    assert.ok(!isFound(key, Buffer.from("-----BEGIN PRIVATE KEY-----\nanother one").toString("base64")));
    assert.ok(!isFound(account, '  "type": "service_account",\n  "auth_provider_x509_cert_url": "https://x"'));
  });

  it("does not find the beginning that all OpenSSH keys share, as in cloud-init's examples", () => {
    const [one, other] = [makeSshKeyPair().privateKey, makeSshKeyPair().privateKey];
    assert.equal(one.split("\n")[1], other.split("\n")[1], "the first line only has the type of key");
    assert.ok(!isFound(one, other));
    assert.ok(isFound(one, `x: ${one.split("\n")[3]}`), "another line is unique");
    const unwrapped = one.replaceAll("\n", "");
    assert.ok(!isFound(unwrapped, other));
    assert.ok(isFound(unwrapped, one.replaceAll("\n", "")));
  });

  it("does not find certificates and public keys beside a key, which are not secret", () => {
    const block = (kind: string, content: string) => `-----BEGIN ${kind}-----\n${content}\n-----END ${kind}-----\n`;
    const authority = "MIIFazCCA1OgAwIBAgIRAIIQz7DSQONZRGPgu2OCiwAwDQYJKoZIhvcNAQELBQAw";
    const bundle = block("CERTIFICATE", authority) + key + block("PUBLIC KEY", authority.replace("MIIF", "MIIB"));
    assert.ok(!isFound(bundle, block("CERTIFICATE", authority)));
    assert.ok(!isFound(bundle, block("PUBLIC KEY", authority.replace("MIIF", "MIIB"))));
    assert.ok(isFound(bundle, key));
    assert.ok(isFound(JSON.stringify({ bundle }), key));
    assert.ok(!isFound(JSON.stringify({ bundle }), block("CERTIFICATE", authority)));
  });

  it("finds the unique parts of an account file, and its key alone", () => {
    assert.ok(isFound(account, "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"));
    assert.ok(isFound(account, key));
  });

  it("finds the tokens of a file of variables without their names", () => {
    const token = "0123456789abcdef0123456789abcdef01234567";
    for (const value of [
      `USER=bob\nTOKEN=${token}\n`,
      `export A=b\nexport TOKEN="${token}=="\n`,
      `a\nhttps://x/?t=${token}`,
    ])
      assert.ok(isFound(value, `Authorization: Bearer ${token}==`), value);
  });

  it("searches for every line of a value that does not look like a key", () => {
    const value = "first password\nsecond password\nab\n";
    assert.ok(isFound(value, "the second password"));
    assert.ok(!isFound(value, "ab"));
  });

  it("names the secrets that are too short to search for", () => {
    assert.deepEqual(tooShortToSearch({ PIN: "1234", TOKEN: "123456", LINES: "ab\ncd\n" }), ["PIN", "LINES"]);
    assert.deepEqual(searchedTexts(["1234"]), []);
  });
});
