// Uploads over a real SSH session: all or nothing, and what failed uploads leave behind.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { appendFile, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOfPacked } from "../../common/pack.ts";
import { makeSshKeyPair } from "../../common/ssh-key-pair.ts";
import type { InputsOf } from "../../common/contract.ts";
import type { Upload } from "../../components/shared/contract.ts";
import { upload } from "../../provider/resources/upload.ts";
import { connectionTo, startSshServer, type SshServer } from "../toolchain/ssh-server.ts";

type UploadInputs = InputsOf<typeof Upload>;

describe("an upload", function () {
  this.timeout(120_000);
  let server: SshServer;
  let folder: string;
  let lines: string[];
  beforeEach(async () => {
    server = await startSshServer();
    folder = await mkdtemp(join(tmpdir(), "ci-images-upload-"));
    lines = [];
    await mkdir(join(folder, "tree"));
    await writeFile(join(folder, "tree/file"), "content");
    await symlink("nowhere", join(folder, "tree/link"));
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
    assert.deepEqual(await leftovers(), [], "no partial upload is left");
  });

  const inputs = (changes: Partial<UploadInputs> = {}): UploadInputs => {
    const source = changes.source ?? join(folder, "tree");
    const connection = connectionTo(server);
    return {
      connection,
      source,
      destination: join(folder, "there"),
      sha256: changes.sha256 ?? digestOfPacked(source),
      triggers: [],
      ...changes,
    };
  };
  const leftovers = async () => (await readdir("/var/tmp")).filter((name) => name.startsWith("ci-images-incoming-"));
  const send = (given: UploadInputs, signal = new AbortController().signal) =>
    upload.create(given, { progress: (line) => void lines.push(line), signal });

  it("sends a folder and replaces an existing one", async () => {
    await mkdir(join(folder, "there/old"), { recursive: true });
    await send(inputs());
    assert.deepEqual((await readdir(join(folder, "there"))).sort(), ["file", "link"]);
    assert.equal(await readFile(join(folder, "there/file"), "utf8"), "content");
  });

  it("fails if the source was edited after the preview, and says so", async () => {
    const given = inputs();
    await appendFile(join(folder, "tree/file"), "!");
    await assert.rejects(
      send(given),
      /upload of .*tree to the builder: it has changed since.*cure: run `pulumi up` again/,
    );
    assert.deepEqual(await readdir(folder), ["tree"]);
  });

  it("fails with the builder's reason if it can't be stored", async () => {
    await assert.rejects(send(inputs({ destination: "/proc/there" })), /it failed \(exit status 1\): .*\/proc\/there/);
  });

  it("retries the connection up to the limit, but fails at once if a key is refused", async () => {
    server.refuse = 1;
    const { connection } = inputs();
    await send(inputs({ connection: { ...connection, dialErrorLimit: 1 } }));
    assert.deepEqual(lines, ["Dial 1/1 failed: retrying"]);
    const { privateKey } = makeSshKeyPair();
    await assert.rejects(send(inputs({ connection: { ...connection, privateKey } })), /unable to authenticate/);
    const hostKey = makeSshKeyPair().publicKey;
    await assert.rejects(send(inputs({ connection: { ...connection, hostKey } })), /host key mismatch/);
  });

  it("goes through a bastion", async () => {
    const bastion = await startSshServer();
    const proxy = connectionTo(bastion);
    await send(inputs({ connection: { ...inputs().connection, proxy } }));
    assert.deepEqual(bastion.forwarded, [`127.0.0.1:${server.port}`]);
    await bastion.stop();
  });

  it("leaves nothing behind after a lost connection or a cancellation", async () => {
    const big = join(folder, "big");
    const file = await open(big, "w");
    await file.truncate(3 * 1024 ** 3);
    await file.close();
    const given = inputs({ source: big, sha256: "0".repeat(64) });
    const underWay = async () => {
      while (!lines.some((line) => /^uploading: \d+ of 3072 MiB$/.test(line)))
        await new Promise((resolve) => setTimeout(resolve, 20));
    };
    void underWay().then(() => server.cut());
    await assert.rejects(
      send(given),
      /it failed \(the connection was lost\).*cure: run `pulumi up` again: it resumes here/,
    );
    lines.length = 0;
    const controller = new AbortController();
    void underWay().then(() => controller.abort(new Error("enough")));
    await assert.rejects(send(given, controller.signal), /^Error: enough$/);
    for (let tries = 0; tries < 100 && (await leftovers()).length > 0; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(await readdir(folder), ["big", "tree"]);
  });

  it("does not hold a big file in memory", async () => {
    const big = join(folder, "big");
    const part = randomBytes(1024 ** 2);
    const file = await open(big, "w");
    for (let each = 0; each < 100; each++) await file.write(part);
    await file.close();
    const before = process.memoryUsage.rss();
    let most = 0;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10);
    await send(inputs({ source: big }));
    clearInterval(timer);
    // The test's SSH server runs in this process too.
    assert.ok(most - before < 200 * 1024 ** 2, `${(most - before) / 1024 ** 2} MiB`);
    const hash = createHash("sha256");
    for await (const data of (await open(join(folder, "there"))).createReadStream()) hash.update(data as Buffer);
    const expected = createHash("sha256");
    for (let each = 0; each < 100; each++) expected.update(part);
    assert.equal(hash.digest("hex"), expected.digest("hex"));
  });
});
