// The archive that an upload sends: the same bytes on every computer, with all file attributes that a builder can use.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { execa } from "execa";
import { digestOfPacked, listPacked, packedStream, UnfitFile } from "../../common/pack.ts";

describe("packing", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-pack-"));
    await chmod(folder, 0o755);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const path = (name: string) => join(folder, name);
  const put = async (name: string, content: string, mode = 0o644) => {
    await writeFile(path(name), content);
    await chmod(path(name), mode);
  };
  const unpack = async (source: string, ...options: string[]) => {
    const input = Readable.from(packedStream(listPacked(source)), { objectMode: false });
    return (await execa("tar", ["--numeric-owner", "--utc", ...options], { input })).stdout;
  };

  it("gives an archive that GNU tar can read, with long names, links and empty folders, all owned by root", async () => {
    const long = "ä".repeat(120);
    await mkdir(path(`empty/${long}/${long}`), { recursive: true });
    await put(`empty/${long}/${long}/file`, "x".repeat(1000), 0o4751);
    await symlink(`/${long}/target`, path("link"));
    await link(path(`empty/${long}/${long}/file`), path("second"));
    const listed = await unpack(folder, "--list", "--verbose", "--quoting-style=literal");
    const deep = `content/empty/${long}/${long}`;
    assert.deepEqual(
      listed.split("\n").map((line) => line.replaceAll(/ +/g, " ")),
      [
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 content/",
        "drwxr-xr-x 0/0 0 1970-01-01 00:00 content/empty/",
        `drwxr-xr-x 0/0 0 1970-01-01 00:00 content/empty/${long}/`,
        `drwxr-xr-x 0/0 0 1970-01-01 00:00 ${deep}/`,
        `-rwsr-x--x 0/0 1000 1970-01-01 00:00 ${deep}/file`,
        `lrwxrwxrwx 0/0 0 1970-01-01 00:00 content/link -> /${long}/target`,
        `hrwsr-x--x 0/0 0 1970-01-01 00:00 content/second link to ${deep}/file`,
      ],
    );
  });

  it("has the stream's digest, which never changes for the same content", async () => {
    await mkdir(path("sub"));
    await put("sub/file", "content\n");
    await put("program", "#!/bin/sh\n", 0o755);
    await symlink("sub", path("link"));
    const hash = createHash("sha256");
    for await (const part of packedStream(listPacked(folder))) hash.update(part);
    const digest = digestOfPacked(folder);
    assert.equal(digest, hash.digest("hex"));
    // A change of this digest makes all users bake again.
    assert.equal(digest, "c1aadc71ecd807eeae5be0aaf425a46c858bc7dad9053e16259b49c7142f2c01");
    await utimes(path("sub/file"), 1, 1);
    await chmod(path("sub/file"), 0o664);
    await chmod(path("sub"), 0o775);
    assert.equal(digestOfPacked(folder), digest, "times and the checkout's umask don't count");
  });

  it("has a digest that depends on modes, links, types, names and empty folders", async () => {
    await mkdir(path("tree"));
    const seen = new Set<string>();
    const changes: (() => Promise<unknown>)[] = [
      async () => {},
      () => put("tree/a", "1"),
      () => put("tree/a", "2"),
      () => chmod(path("tree/a"), 0o600),
      () => chmod(path("tree/a"), 0o666),
      () => mkdir(path("tree/empty")),
      () => symlink("a", path("tree/link")),
      () => rm(path("tree/link")).then(() => symlink("b", path("tree/link"))),
      () => put("tree/b", "2", 0o666),
      () => rm(path("tree/b")).then(() => link(path("tree/a"), path("tree/b"))),
    ];
    for (const change of changes) {
      await change();
      seen.add(digestOfPacked(path("tree")));
    }
    assert.equal(seen.size, changes.length);
  });

  it("treats a link to a single file as that file", async () => {
    await put("file", "x");
    await symlink("file", path("link"));
    assert.equal(digestOfPacked(path("link")), digestOfPacked(path("file")));
    assert.match(await unpack(path("link"), "--list", "--verbose"), /^-rw-r--r-- 0\/0 +1 .* content$/);
  });

  it("supports files of more than 8 GiB", async () => {
    await put("big", "");
    await truncate(path("big"), 9 * 1024 ** 3);
    const first = await packedStream(listPacked(path("big"))).next();
    const { stdout } = await execa("tar", ["--list", "--verbose"], { input: first.value as Buffer, reject: false });
    assert.match(stdout, / 9663676416 .* content$/);
  });

  it("refuses pipes, sockets and names that are not UTF-8, with their path", async () => {
    await execa("mkfifo", [path("pipe")]);
    const refuses = (message: RegExp) =>
      assert.throws(
        () => listPacked(folder),
        (error) => error instanceof UnfitFile && message.test(error.message),
      );
    refuses(/pipe is a named pipe$/);
    await rm(path("pipe"));
    const server = createServer().listen(path("socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    refuses(/socket is a socket$/);
    server.close();
    await rm(path("socket"), { force: true });
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), "");
    refuses(/the name "aÿ" is not UTF-8$/);
  });
});
