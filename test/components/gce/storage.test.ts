// Uploads to Cloud Storage, and imports from there, when something fails.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { Bucket } from "../../../components/gce/provider/storage.ts";
import { gceImportLease } from "../../../components/gce/provider/resources/imported-image.ts";
import { SmallStorage } from "./storage.ts";
import { watching, withGce } from "./support.ts";

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
