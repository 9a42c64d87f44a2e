// Uploads to Cloud Storage, and imports from there, when something fails.
import assert from "node:assert/strict";
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
