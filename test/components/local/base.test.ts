import assert from "node:assert/strict";
import { execa } from "execa";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../../common/user-error.ts";
import { findDistribution } from "../../../provision/distributions.ts";
import { readSources } from "../../../components/local/provider/base/apt-sources.ts";
import { distributionsOwn } from "../../../components/local/provider/base/archives.ts";
import { sourcesOf, specificationOf } from "../../../components/local/provider/base/base-mirror.ts";
import { removeOrphanedBases } from "../../../components/local/provider/base/orphaned-bases.ts";
import { ensureBase, resolveBase } from "../../../components/local/provider/base/base.ts";
import { writeRecord, type MachineRecord } from "../../../components/local/provider/machine/machine-record.ts";
import type { BaseSource } from "../../../components/local/provider/types.ts";
import { builderSpec, emptyCache, namesIn, otherProcess, processesOf } from "./support.ts";

describe("local base images", function () {
  this.timeout(180_000);
  let cache: Awaited<ReturnType<typeof emptyCache>>;
  let folder: string;
  let tarball: string;

  beforeEach(async () => {
    cache = await emptyCache();
    folder = await mkdtemp(join(tmpdir(), "ci-images-test-"));
    await mkdir(join(folder, "tree/etc"), { recursive: true });
    await mkdir(join(folder, "tree/usr/bin"), { recursive: true });
    await writeFile(join(folder, "tree/etc/passwd"), "root:x:0:0::/root:/bin/bash\n");
    tarball = join(folder, "root.tar.gz");
    await execa("tar", ["--create", "--gzip", "--directory", join(folder, "tree"), "--file", tarball, "."]);
  });
  afterEach(async () => {
    await cache.restore();
    await rm(folder, { recursive: true });
  });

  const resolve = (source: BaseSource) => resolveBase(source, { projectDirectory: folder });
  const sha256 = async (file: string): Promise<string> =>
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex");

  it("unpacks a tarball once, even if many processes request it at once", async () => {
    const base = await resolve({ kind: "tarball", location: "root.tar.gz" });
    assert.equal(base.id, `tarball-${await sha256(tarball)}`);
    const body = `say({ root: await base.ensureBase(input, (line) => say(line)) })`;
    const others = await Promise.all([1, 2, 3].map(() => otherProcess(body, base)));
    const lines = others.flatMap(({ stdout }) => stdout.split("\n"));
    assert.equal(lines.filter((line) => line.includes("unpacking")).length, 1, lines.join("\n"));
    assert.equal(lines.filter((line) => line.includes('"root"')).length, 3, lines.join("\n"));
    assert.deepEqual(await namesIn(join(cache.path, "bases")), [base.id]);
  });

  it("reports the expected and the actual checksum", async () => {
    const expected = "0".repeat(64);
    const complains = async (error: Error): Promise<boolean> => {
      assert.ok(error instanceof UserError);
      assert.ok(error.message.includes(expected) && error.message.includes(await sha256(tarball)), error.message);
      return true;
    };
    const failure = await resolve({ kind: "tarball", location: tarball, sha256: expected }).catch(
      (error: Error) => error,
    );
    await complains(failure as Error);
    const server = await serve(await readFile(tarball));
    try {
      const base = await resolve({ kind: "tarball", location: server.url, sha256: expected });
      await complains((await ensureBase(base, () => {}).catch((error: Error) => error)) as Error);
      assert.deepEqual(await namesIn(join(cache.path, "bases")), []);
      const right = await resolve({ kind: "tarball", location: server.url, sha256: await sha256(tarball) });
      assert.deepEqual(await namesIn(await ensureBase(right, () => {})), ["etc", "usr"]);
    } finally {
      server.close();
    }
    await assert.rejects(resolve({ kind: "tarball", location: server.url }), /sha256: is missing/);
  });

  it("never uses what a killed process left incomplete", async () => {
    const server = await serve(await readFile(tarball), { half: true });
    try {
      const base = await resolve({ kind: "tarball", location: server.url, sha256: await sha256(tarball) });
      const other = otherProcess(`await base.ensureBase(input, () => {})`, base);
      while (!server.asked()) await delay(10);
      assert.ok((await namesIn(join(cache.path, "bases"))).includes(`.${base.id}.new`));
      other.kill("SIGKILL");
      await other;
      server.finish();
      assert.equal(
        await readFile(join(await ensureBase(base, () => {}), "etc/passwd"), "utf8"),
        "root:x:0:0::/root:/bin/bash\n",
      );
      assert.deepEqual(await namesIn(join(cache.path, "bases")), [base.id]);
    } finally {
      server.close();
    }
  });

  it("refuses a directory that changes while it is copied, and keeps no copy", async () => {
    const base = await resolve({ kind: "directory", path: "tree" });
    const change = (line: string) => {
      if (line.startsWith("copying"))
        writeFileSync(join(folder, "tree/etc/passwd"), "root:x:0:0:other:/root:/bin/sh\n");
    };
    await assert.rejects(
      ensureBase(base, change),
      /has changed since it was first read.*base: pinned.*put bases\/directory-/s,
    );
    assert.deepEqual(await namesIn(join(cache.path, "bases")), []);
  });

  it("identifies a directory by its content, and copies it", async () => {
    const source: BaseSource = { kind: "directory", path: "tree" };
    const first = await resolve(source);
    assert.equal((await resolve(source)).id, first.id);
    const copy = await ensureBase(first, () => {});
    assert.deepEqual(await namesIn(copy), ["etc", "usr"]);
    await writeFile(join(folder, "tree/etc/hosts"), "");
    assert.notEqual((await resolve(source)).id, first.id);
    assert.deepEqual(await namesIn(join(copy, "etc")), ["passwd"]);
    await assert.rejects(resolve({ kind: "directory", path: "nowhere" }), /nowhere: can't be read \(ENOENT\)/);
    await assert.rejects(resolve({ kind: "directory", path: "tree/etc" }), /has no etc\/passwd/);
  });

  /** Makes an image of the tree, in a folder of that name. @returns its disk. */
  const makeImage = async (name: string): Promise<string> => {
    const image = join(folder, name);
    const raw = join(folder, "disk.raw");
    await mkdir(image);
    await rm(raw, { force: true });
    await execa("truncate", ["--size=24M", raw]);
    await execa("sfdisk", ["--quiet", raw], { input: "label: gpt\nstart=1MiB, size=4MiB\nstart=8MiB, size=15MiB\n" });
    await execa("mke2fs", ["-q", "-t", "ext4", "-d", join(folder, "tree"), "-E", "offset=8388608", raw, "15M"]);
    const disk = join(image, "disk.qcow2");
    await execa("qemu-img", ["convert", "-O", "qcow2", raw, disk]);
    const manifest = { name: "earlier", files: [{ name: "disk.qcow2", sha256: await sha256(disk) }] };
    await writeFile(join(image, "manifest.json"), JSON.stringify(manifest));
    return disk;
  };

  it("extracts the root file system from an earlier image, and notices a changed disk", async () => {
    const disk = await makeImage("image");
    const base = await resolve({ kind: "image", path: "image" });
    assert.deepEqual(await namesIn(await ensureBase(base, () => {})), ["etc", "usr"]);
    await rm(join(cache.path, "bases"), { recursive: true });
    await writeFile(disk, "something else");
    await assert.rejects(
      ensureBase(base, () => {}),
      /disk\.qcow2: sha256: [0-9a-f]{64}; allowed: [0-9a-f]{64}/,
    );
  });

  it("ends all processes of a cancelled copy of an image", async () => {
    await makeImage("image");
    const base = await resolve({ kind: "image", path: "image" });
    const [programs, started] = [join(folder, "bin"), join(folder, "started")];
    await mkdir(programs);
    await writeFile(join(programs, "cp"), `#!/bin/bash\ntouch ${started}\nsleep 1000 & wait\n`, { mode: 0o755 });
    const { PATH } = process.env;
    process.env.PATH = `${programs}:${PATH}`;
    const cancel = new AbortController();
    try {
      const outcome = ensureBase(base, () => {}, cancel.signal).catch((error: Error) => error);
      while (!existsSync(started)) await delay(10);
      assert.notDeepEqual(await processesOf(cache.path), []);
      cancel.abort();
      assert.ok((await outcome) instanceof Error);
      assert.deepEqual(await processesOf(cache.path), []);
      assert.deepEqual(await namesIn(join(cache.path, "bases")), []);
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("are removed from the cache once the image that they were read from is gone, and nothing runs on them", async () => {
    const ids: string[] = [];
    for (const name of ["gone", "gone-too", "in-use", "there"]) {
      await makeImage(name);
      const base = await resolve({ kind: "image", path: name });
      ids.push(base.id);
      const root = await ensureBase(base, () => {});
      if (name !== "in-use") continue;
      const { spec } = builderSpec(root);
      const directory = join(cache.path, "machines", spec.name);
      await mkdir(directory);
      await writeRecord(directory, { ...spec, phase: "ready" } as unknown as MachineRecord);
    }
    const tar = await resolve({ kind: "tarball", location: "root.tar.gz" });
    await ensureBase(tar, () => {});
    assert.deepEqual(await removeOrphanedBases(), []);
    await rm(join(folder, "gone"), { recursive: true });
    await rm(join(folder, "gone-too"), { recursive: true });
    await rm(join(folder, "in-use"), { recursive: true });
    // Images are deleted side by side.
    const removed = await Promise.all(Array.from({ length: 4 }, () => removeOrphanedBases()));
    assert.deepEqual(
      removed.flat().sort(),
      ["gone", "gone-too"].map((name) => `image earlier in ${join(folder, name)}`),
    );
    assert.deepEqual(await namesIn(join(cache.path, "bases")), [...ids.slice(2), tar.id].sort());
    await rm(join(cache.path, "machines"), { recursive: true });
    assert.equal((await removeOrphanedBases()).length, 1);
  });

  it("uses the newest cached base with a notice if the mirror does not answer; without one it is an error", async () => {
    const source: BaseSource = { kind: "mirror", distribution: "debian12", mirror: "http://127.0.0.1:1/debian" };
    await assert.rejects(resolve(source), (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /127\.0\.0\.1:1\/debian: can't be read.*set `mirror`/s);
      return true;
    });
    for (const [id, createdAt] of [
      ["older", "2026-01-01T00:00:00Z"],
      ["newer", "2026-02-01T00:00:00Z"],
    ] as const) {
      const entry = join(cache.path, "bases", id);
      await mkdir(entry, { recursive: true });
      const record = { source, id, description: id, createdAt, specification: specificationOf(source) };
      await writeFile(join(entry, "base.json"), JSON.stringify(record));
    }
    const base = await resolve(source);
    assert.equal(base.id, "newer");
    assert.match(base.notice!, /can't be read; using the cached base of 2026-02-01/);
    await assert.rejects(resolve({ kind: "mirror", distribution: "rocky9" }), /rocky9 can't be bootstrapped/);
  });

  it("leaves out a suite only if the mirror says that it has none, and says so", async () => {
    const answers: Record<string, number> = { "bookworm-updates": 200 };
    const mirror = await archive((suite) => [answers[suite], "Origin: Debian\n"]);
    const [main, security] = ["debian", "debian-security"].map((name) => `${mirror.url}/${name}`);
    const debian12 = findDistribution("debian12", "test", "distribution");
    const lines: string[] = [];
    const suites = async () =>
      (await sourcesOf({ main, security }, debian12, (line) => lines.push(line))).map(({ suite }) => suite);
    try {
      answers["bookworm-security"] = 200;
      assert.deepEqual(await suites(), ["bookworm", "bookworm-updates", "bookworm-security"]);
      assert.deepEqual(lines, []);
      answers["bookworm-security"] = 404;
      assert.deepEqual(await suites(), ["bookworm", "bookworm-updates"]);
      assert.deepEqual(lines, [
        `notice: ${security} has no suite bookworm-security: images on this base get no updates from it`,
      ]);
      for (const status of [403, 503]) {
        answers["bookworm-security"] = status;
        await assert.rejects(suites(), new RegExp(`bookworm-security: can't be read: .*${status}.*status 404`, "s"));
      }
    } finally {
      mirror.close();
    }
  });

  it("takes this computer's own mirror only if it is the distribution's and needs no password", async () => {
    const origins: Record<string, string> = { "/vendor": "Vendor", "/debian": "Debian" };
    const mirror = await archive((_suite, path) => [200, `Origin: ${origins[path]}\nCodename: bookworm\n`]);
    const debian12 = findDistribution("debian12", "test", "distribution");
    const found = async (...urls: string[]) =>
      await distributionsOwn(
        debian12,
        urls.map((url) => ({ url, suite: "bookworm" })),
        "bookworm",
      );
    try {
      const [vendor, debian] = ["/vendor", "/debian"].map((path) => `${mirror.url}${path}`);
      assert.equal(await found(vendor, `${debian}/`, debian), debian);
      assert.equal(await found(vendor, `${mirror.url}/other`), undefined);
      assert.equal(await found(debian.replace("//", "//user:word@")), undefined);
      assert.equal(await found(vendor, "http://127.0.0.1:1/debian"), "http://127.0.0.1:1/debian");
    } finally {
      mirror.close();
    }
  });

  it("ends a cancelled bootstrap with all its processes, and leaves nothing", async () => {
    const base = await resolve({ kind: "mirror", distribution: "debian12" });
    const cancel = new AbortController();
    let started = false;
    const making = ensureBase(base, (_line, transient) => (started ||= transient === true), cancel.signal);
    const outcome = making.catch((error: Error) => error);
    while (!started) await delay(20);
    assert.notDeepEqual(await processesOf(cache.path), []);
    cancel.abort();
    assert.ok((await outcome) instanceof Error);
    assert.deepEqual(await processesOf(cache.path), []);
    assert.deepEqual(await namesIn(join(cache.path, "bases")), []);
  });

  it("reads apt's sources in both formats, without comments and disabled entries", () => {
    const deb822 = [
      "Types: deb deb-src\n# http://other.example/debian\nURIs: http://one.example/debian\n http://two.example/debian",
      "Suites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: http://off.example\nSuites: bookworm\n",
    ].join("\n");
    assert.deepEqual(
      readSources(deb822, "deb822").map(({ url, suite }) => `${url} ${suite}`),
      ["one", "two"].flatMap((name) => ["", "-updates"].map((part) => `http://${name}.example/debian bookworm${part}`)),
    );
    const oneLine =
      "# deb http://off.example bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://one.example bookworm main\ndeb-src http://s x y\n";
    assert.deepEqual(readSources(oneLine, "one-line"), [{ url: "http://one.example", suite: "bookworm" }]);
  });
});

/** Serves suites' release files. @param answer The status and content for a suite of the archive at a path. */
async function archive(answer: (suite: string, path: string) => [status: number, content: string]) {
  const server = createServer((request, response) => {
    const [, path, suite] = /^(.*)\/dists\/([^/]*)\/InRelease$/.exec(request.url ?? "") ?? assert.fail(request.url);
    const [status, content] = answer(suite, path);
    response.writeHead(status).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

/** Serves a file; with `half`, only the first half until `finish` is called. */
async function serve(content: Buffer, options: { half?: boolean } = {}) {
  let half = options.half ?? false;
  let asked = false;
  const server: Server = createServer((_request, response) => {
    response.setHeader("content-length", content.length);
    if (half) response.write(content.subarray(0, content.length / 2), () => (asked = true));
    else response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/root.tar.gz`,
    asked: () => asked,
    finish: () => (half = false),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
