// Uploads to Cloud Storage, and imports from there, when something fails.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { diskArchive } from "../../../components/gce/provider/disk-archive.ts";
import { Readable } from "node:stream";
import { Bucket } from "../../../components/gce/provider/storage.ts";
import { gceImportedImage, gceImportLease } from "../../../components/gce/provider/resources/imported-image.ts";
import { SmallStorage } from "./storage.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { labels, watching, withGce } from "./support.ts";

let storage: SmallStorage;
beforeEach(async () => {
  storage = await SmallStorage.start();
  process.env.STORAGE_EMULATOR_HOST = storage.url;
});
afterEach(async () => {
  delete process.env.STORAGE_EMULATOR_HOST;
  await storage.close();
});

describe("an upload to Cloud Storage", () => {
  const chunk = 4 * 2 ** 20;
  const upload = async () => {
    const bucket = await Bucket.open("bucket", watching());
    const content = [1, 2, 3].map((number) => Buffer.alloc(chunk, number));
    await bucket.upload("o", Readable.from(content), {}, () => {});
  };

  it("survives an outage that lasts for several attempts, and continues with the first byte that is missing", () =>
    withGce(async () => {
      let left = 5;
      let isDown = false;
      storage.fault = (call, response) => {
        isDown ||= call === `PUT bytes ${chunk}-${2 * chunk - 1}/*`;
        if (!isDown || left === 0) return false;
        left -= 1;
        if (left % 2 === 1) response.destroy();
        else response.writeHead(503).end();
        return true;
      };
      await upload();
      assert.equal(storage.content.length, 3 * chunk);
      assert.equal(storage.calls.filter((call) => call === "PUT bytes */*").length, 5);
    }));

  it("fails if the outage doesn't end", () =>
    withGce(async () => {
      storage.fault = (call, response) => call.startsWith("PUT") && Boolean(response.writeHead(503).end());
      await assert.rejects(upload(), /\(503\)/);
      assert.equal(storage.calls.filter((call) => call.startsWith("PUT")).length, 8);
    }));
});

describe("the archive of a disk", () => {
  it("ends without another error if its upload is refused, and names the one of tar", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-archive-"));
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on("unhandledRejection", note);
    try {
      const disk = join(folder, "disk.raw");
      await writeFile(disk, randomBytes(8 * 2 ** 20));
      const { signal } = new AbortController();
      const refused = async () => {
        for await (const data of diskArchive(disk, signal)) throw new Error(`refused after ${data.length} bytes`);
      };
      await assert.rejects(refused(), /refused after/);
      await sleep(300);
      assert.deepEqual(unhandled, []);
      const read = async () => {
        let bytes = 0;
        for await (const data of diskArchive(disk, signal)) bytes += data.length;
        return bytes;
      };
      assert.ok((await read()) > 8 * 2 ** 20);
      await rm(disk);
      await assert.rejects(read(), /disk\.raw/);
    } finally {
      process.off("unhandledRejection", note);
      await rm(folder, { recursive: true });
    }
  });
});

describe("an import into gce whose object can't be removed", () => {
  let home: string;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-images-import-"));
    await makeStoredImage(join(home, "image"), { recipe: labels.recipe });
  });
  after(() => rm(home, { recursive: true }));

  const importing = () => ({
    ...{ folder: join(home, "image"), recipe: labels.recipe, bucket: "bucket", object: "o.tar.gz", line: "worker" },
    ...{ facts: { recipe: labels.recipe, name: "worker" }, expires: "20300101T000000Z", labels: {} },
    ...{ guestOsFeatures: ["UEFI_COMPATIBLE"], storageLocations: [] },
  });
  const run = async (refused: RegExp) => {
    process.env.CI_IMAGES_CACHE = join(home, "cache");
    storage.fault = (call, response) => refused.test(call) && Boolean(response.writeHead(403).end(call));
    const context = watching();
    const creating = gceImportedImage.create({ project: "bakery", name: "w", importing: importing() }, context);
    const error = await creating.then(
      () => undefined,
      ({ message }: Error) => message,
    );
    return { error, lines: context.lines.join("\n") };
  };

  it("reports why the import failed, and then the object", () =>
    withGce(async () => {
      const { error, lines } = await run(/^(PUT|DELETE)/);
      assert.match(error!, /PUT bytes .*\(403\)/);
      assert.match(lines, /gs:\/\/bucket\/o\.tar\.gz could not be removed yet: .*\(403\)/);
    }));

  it("does not fail if the image was made", () =>
    withGce(
      async (api) => {
        const { error, lines } = await run(/^DELETE/);
        assert.equal(error, undefined);
        assert.match(lines, /could not be removed yet/);
        assert.equal(api.project("bakery").images.get("w")!.status, "READY");
      },
      { storage: async () => storage.content },
    ));
});

describe("the lease of an import into gce", () => {
  const inputs = { project: "bakery", bucket: "bucket", object: "o.tar.gz", image: "worker-1", lifetime: 600 };

  it("can be deleted while Google is still making the image: the object stays until then", () =>
    withGce(async (api) => {
      const image = api.addBase("bakery", "worker-1", { status: "PENDING" });
      const { id, outputs } = await gceImportLease.create(inputs, watching());
      const then: string[] = [];
      storage.fault = (call) => {
        if (call.startsWith("DELETE")) then.push(image.status);
        return false;
      };
      setTimeout(() => (image.status = "READY"), 50);
      await gceImportLease.delete!(id, outputs, watching());
      assert.deepEqual(then, ["READY"]);
      assert.ok(api.project("bakery").isClean);
    }));
});
