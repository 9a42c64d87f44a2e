// Importing local disks as images of Compute Engine: through a third-party emulator of Cloud Storage, into the fake
// Compute API.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackFacts } from "../../../common/image-facts.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { gceLabels } from "../../../components/gce/facts/labels.ts";
import { gceSweep } from "../../../components/gce/provider/functions/sweep.ts";
import { gceImportedImage, gceImportLease } from "../../../components/gce/provider/resources/imported-image.ts";
import { gcePromotion } from "../../../components/gce/provider/resources/image-marks.ts";
import type { Image } from "../../../components/gce/provider/types.ts";
import { StorageEmulator } from "../../emulators/gcs.ts";
import { restoreEnvironment } from "../../restore-environment.ts";
import { startGce, type GceApi } from "../../test-cloud/gce-api.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { labels, watching } from "./support.ts";

const project = "bakery";
const bucket = "ci-images-test";
const name = "worker-1";
const object = "ci-images/ci-images/gce/worker-1.tar.gz";

describe("a local disk imported into Compute Engine", function () {
  // The first run installs the emulator.
  this.timeout(300_000);
  let storage: StorageEmulator;
  let api: GceApi;
  let home: string;
  let folder: string;
  let earlier: NodeJS.ProcessEnv;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-images-import-"));
    folder = join(home, "image");
    // 1.5 GiB must be rounded up to whole GiB. 40 MiB of data is more than one chunk of the upload.
    await makeStoredImage(folder, { recipe: labels.recipe, size: 1.5 * 2 ** 30, data: 40 });
    storage = await StorageEmulator.start(bucket);
  });
  after(async () => {
    await storage.close();
    await rm(home, { recursive: true });
  });
  beforeEach(async () => {
    earlier = { ...process.env };
    api = await startGce({ storage: (source) => storage.content(source) });
    Object.assign(process.env, api.environment, {
      STORAGE_EMULATOR_HOST: storage.url,
      CI_IMAGES_CACHE: join(home, "cache"),
      CI_IMAGES_POLL_SECONDS: "0.01",
    });
    storage.calls.length = 0;
  });
  afterEach(async () => {
    restoreEnvironment(earlier);
    await api.close();
    assert.deepEqual(await storage.objects(bucket), [], "no object is left");
    assert.deepEqual(await readdir(join(home, "cache", "disks")).catch(() => []), [], "no converted disk is left");
    storage.faults.length = 0;
  });

  const importing = (more: object = {}) => ({
    ...{
      folder,
      recipe: labels.recipe,
      bucket,
      object,
      line: "worker",
      facts: { recipe: labels.recipe, name: "worker" },
    },
    ...{ expires: "20300101T000000Z", labels: cloudLabels(gceLabels, { ...labels, role: "image" }) },
    ...{ guestOsFeatures: ["UEFI_COMPATIBLE", "GVNIC"], storageLocations: [] },
    ...more,
  });
  const create = async (more: object = {}, context = watching()) =>
    gceImportedImage.create({ project, name, importing: importing(more) }, context);
  const images = () => api.project(project).images as Map<string, Image>;

  it("is uploaded as a tar with a disk.raw of whole GiB; then the image has its features, and the object is gone", async () => {
    const { id, outputs } = await create();
    const image = images().get(name)!;
    assert.deepEqual([id, image.status, image.diskSizeGb], [name, "READY", "2"]);
    assert.deepEqual(
      image.guestOsFeatures!.map(({ type }) => type),
      ["UEFI_COMPATIBLE", "GVNIC"],
    );
    const facts = unpackFacts(image.description)!;
    assert.deepEqual([facts.recipe, facts.expires], [labels.recipe, "20300101T000000Z"]);
    assert.equal(outputs.builder.machineId, "1".repeat(32));
    assert.deepEqual([outputs.selfLink, outputs.diskSizeGb], [image.selfLink, 2]);
    assert.ok(storage.calls.filter((call) => /^PUT bytes \d+-\d+\/\*/.test(call)).length >= 2, "it is sent in chunks");
    assert.equal(await gceImportedImage.drift!(id, outputs), "none");
    await gceImportedImage.delete!(id, outputs, watching());
    assert.equal(await gceImportedImage.drift!(id, outputs), "replace");
    await gceImportedImage.delete!(id, outputs, watching());
  });

  it("resumes the upload where it stopped after cut connections and busy answers", async () => {
    storage.faults.push("cut", { status: 503, message: "busy" }, { status: 429, message: "slow down" });
    await create();
    assert.ok(storage.calls.includes("PUT bytes */*"), "we asked how much has arrived");
    assert.equal(images().get(name)!.status, "READY");
  });

  for (const [fault, reason] of [
    ["other content", /received different content: its MD5 is b3RoZXI=/],
    [
      { status: 403, message: "the bucket's quota is used up" },
      /quota is used up \(403\); cure: give .* roles .* quota/,
    ],
  ] as const) {
    it(`leaves neither image nor object after ${JSON.stringify(fault)}`, async () => {
      storage.faults.push(...Array<typeof fault>(99).fill(fault));
      await assert.rejects(create(), reason);
      assert.equal(images().size, 0);
    });
  }

  it("leaves no object if the image can't be made, and makes another image the next time", async () => {
    api.faults.imageEnds.push("FAILED");
    await assert.rejects(create(), /Creating image .* failed/);
    assert.deepEqual(await storage.objects(bucket), []);
    const context = watching();
    await create({}, context);
    assert.match(context.lines.join("\n"), /removed image worker-1, which was FAILED/);
  });

  it("leaves nothing if the user cancels", async () => {
    const abort = new AbortController();
    const progress = () => {};
    const creating = create({}, { ...watching(), progress, signal: abort.signal });
    const timer = setInterval(() => {
      if (storage.calls.some((call) => call.startsWith("PUT"))) abort.abort(new Error("cancelled"));
    }, 2);
    await assert.rejects(creating, /cancelled/);
    clearInterval(timer);
    assert.equal(images().size, 0);
  });

  it("adopts the image that an interrupted `up` has made, and refuses somebody else's image of that name", async () => {
    await create();
    storage.calls.length = 0;
    await create();
    assert.deepEqual(storage.calls, []);
    images().get(name)!.description = "mine";
    await assert.rejects(create(), /image worker-1: already exists, and is not of this recipe/);
  });

  it("is refused before the upload if it lacks drivers for Google's disks or network, or a data source", async () => {
    const guest = { kernel: "6.1", drivers: {}, dataSources: ["NoCloud"] };
    const bare = join(home, "bare");
    await makeStoredImage(bare, { recipe: labels.recipe, manifest: { guest } });
    const missing = /for Compute Engine: .*no driver virtio_scsi.*no driver virtio_net.*data source GCE/s;
    await assert.rejects(create({ folder: bare }), missing);
    assert.ok(!storage.calls.some((call) => call.startsWith("PUT")));
    const older = {
      ...guest,
      drivers: { virtio_scsi: "ramdisk", virtio_net: "module", gve: "missing" },
      dataSources: ["GCE"],
    };
    await makeStoredImage(bare, { recipe: labels.recipe, manifest: { guest: older as never } });
    await create({ folder: bare });
    assert.deepEqual(
      images().get(name)!.guestOsFeatures,
      [{ type: "UEFI_COMPATIBLE" }],
      "without its driver, GVNIC is left out",
    );
  });

  it("fails with the bucket's name before it packs anything if the bucket is missing", async () => {
    const lease = { project, bucket: "other", object, image: name, lifetime: 3600 };
    await assert.rejects(
      async () => gceImportLease.create(lease, watching()),
      /bucket other: .* \(404\); cure: gcloud storage buckets create gs:\/\/other/,
    );
  });

  it("is deleted with its lease, including the object, unless it was verified", async () => {
    const { outputs, id } = await gceImportLease.create(
      { project, bucket, object, image: name, lifetime: 3600 },
      watching(),
    );
    await create();
    await upload();
    await gceImportLease.delete!(id, outputs, watching());
    assert.deepEqual([images().size, await storage.objects(bucket)], [0, []]);
    const made = await create();
    const { creationTimestamp: builtAt } = made.outputs;
    await gcePromotion.create({ project, image: name, builtAt, how: "test", report: "ok 1" }, watching());
    await gceImportLease.delete!(id, outputs, watching());
    assert.equal(images().size, 1);
  });

  it("is found by sweep if it failed and has expired", async () => {
    await upload();
    const asked = { place: project, bucket, project: "ci-images", stack: "gce", remove: true };
    assert.deepEqual((await gceSweep.call({ ...asked, now: "2029-01-01T00:00:00Z" }, watching())).leftovers, []);
    const { leftovers } = await gceSweep.call({ ...asked, now: "2031-01-01T00:00:00Z" }, watching());
    assert.deepEqual(
      leftovers.map(({ kind, id, problem }) => [kind, id, problem]),
      [["object", object, undefined]],
    );
  });

  /** Creates an object like an upload that was killed before its image is made. */
  async function upload(): Promise<void> {
    const { Bucket } = await import("../../../components/gce/provider/storage.ts");
    const opened = await Bucket.open(bucket, watching());
    const content = (async function* () {
      yield Buffer.from("half");
    })();
    await opened.upload(object, content, { "ci-images-expires": "20300101T000000Z" }, () => {});
  }
});
