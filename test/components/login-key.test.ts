// The user's own SSH key: the variables and files it is read from, and errors.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import { readOwnKey } from "../../components/shared/login-key.ts";

describe("the user's own login key", () => {
  const variables = { name: "AWS_KEY_PAIR", privateKey: "AWS_KEY_FILENAME" };
  const pair = makeSshKeyPair("mine");
  const publicKey = pair.publicKey.split(" ").slice(0, 2).join(" ");
  let folder: string;
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-key-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("is not used if none of its variables is set", () => {
    assert.equal(readOwnKey(variables, {}), undefined);
  });

  it("is read from its file, and the public key is derived from it", async () => {
    const path = await file("key", pair.privateKey);
    const key = readOwnKey(variables, { AWS_KEY_PAIR: "team", AWS_KEY_FILENAME: path });
    assert.deepEqual(key, { name: "team", publicKey, privateKey: pair.privateKey });
  });

  it("is refused if a variable is missing or the file can't be read; the error names the variable and the file", async () => {
    assert.throws(
      () => readOwnKey(variables, { AWS_KEY_PAIR: "team" }),
      /AWS_KEY_FILENAME: not set, but AWS_KEY_PAIR is/,
    );
    const gone = join(folder, "gone");
    assert.throws(
      () => readOwnKey(variables, { AWS_KEY_PAIR: "team", AWS_KEY_FILENAME: gone }),
      (error: Error) => error.message.includes(`${gone} (environment variable AWS_KEY_FILENAME): cannot be read`),
    );
  });

  it("is refused if it is not a key or has a passphrase, without showing the file's content", async () => {
    const options = { passphrase: "secret", cipher: "aes256-cbc", rounds: 1 } as const;
    const locked = ssh2.utils.generateKeyPairSync("ed25519", options).private;
    const environment = async (content: string) => ({
      AWS_KEY_PAIR: "t",
      AWS_KEY_FILENAME: await file("bad", content),
    });
    const encrypted = await environment(locked);
    assert.throws(() => readOwnKey(variables, encrypted), /a key with a passphrase/);
    const nonsense = await environment("p4ssw0rd");
    assert.throws(
      () => readOwnKey(variables, nonsense),
      (error: Error) => /no SSH key/.test(error.message) && !error.message.includes("p4ssw0rd"),
    );
  });

  it("is refused if private and public key do not match", async () => {
    const other = makeSshKeyPair().publicKey;
    const environment = { PRIVATE: await file("one", pair.privateKey), PUBLIC: await file("two.pub", other) };
    assert.throws(
      () => readOwnKey({ privateKey: "PRIVATE", publicKey: "PUBLIC" }, environment),
      /two\.pub .*is not the public half of the key in PRIVATE/,
    );
  });
});
