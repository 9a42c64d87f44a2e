// Importing local disks as AMIs after somebody or something has interfered. The rest is in import.long.test.ts.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { EC2 } from "@aws-sdk/client-ec2";
import { cloudLabels } from "../../../common/labels.ts";
import { ec2Labels } from "../../../components/ec2/facts/labels.ts";
import { findImage, findSnapshots } from "../../../components/ec2/provider/tagged-resources.ts";
import { imageLease } from "../../../components/ec2/provider/resources/image-lease.ts";
import { importedImage } from "../../../components/ec2/provider/resources/imported-image.ts";
import { noteImport, notedImport } from "../../../components/ec2/provider/import-journal.ts";
import { uploadSnapshot } from "../../../components/ec2/provider/snapshot-upload.ts";
import type { Context } from "../../../provider/resource.ts";
import type { Ec2Api } from "../../test-cloud/ec2/api.ts";
import { openImportPlace } from "./import-place.ts";

const region = "eu-central-1";
const recipe = "b".repeat(64);
const owner = { project: "ci-images", stack: "test", distribution: "debian12" };
const lease = cloudLabels(ec2Labels, { ...owner, recipe, role: "image" });

describe("a local disk imported into EC2", function () {
  // The first run installs moto.
  this.timeout(400_000);
  let api: Ec2Api;
  let close: () => Promise<void>;
  let client: EC2;
  let folder: string;

  before(async () => {
    ({ api, client, folder, close } = await openImportPlace(region, { recipe, formats: ["raw"] }));
  });
  after(() => close());
  afterEach(async () => {
    api.faults.clear();
    await imageLease.delete!("", { region, name: "worker", tags: lease }, context());
    assert.deepEqual(await findSnapshots(region, lease), [], "deleting the lease leaves nothing behind");
  });

  const context = (): Context & { lines: string[] } => {
    const lines: string[] = [];
    return { lines, signal: new AbortController().signal, progress: (line) => void lines.push(line) };
  };
  const create = (name = "worker", asked = context()) => {
    const importing = {
      ...{ folder, recipe, name, description: "worker: debian12", lease, lifetime: 3600 },
      ...{ diskSize: 8, bootMode: "uefi-preferred" as const, encrypted: false },
    };
    return importedImage.create({ region, tags: lease, importing }, asked);
  };

  it("that somebody has disabled is replaced by another import under another name, not adopted", async () => {
    const { id, outputs } = await create();
    assert.equal(await importedImage.drift!(id, outputs), "none");
    await client.disableImage({ ImageId: id });
    assert.equal(await importedImage.drift!(id, outputs), "replace");
    const next = await create("worker-2");
    assert.notEqual(next.id, id);
    assert.equal((await findImage(region, next.id))!.State, "available");
    assert.equal((await findImage(region, id))!.State, "disabled", "the engine removes it afterwards");
    await client.enableImage({ ImageId: id });
    assert.equal(await importedImage.drift!(id, outputs), "none");
  });

  describe("whose snapshot", () => {
    const upload = () => ({
      ...{
        region,
        disk: join(folder, "disk.raw"),
        content: "sha256",
        size: 64 * 2 ** 20,
        description: "worker",
      },
      ...{ tags: lease, encrypted: false },
    });
    const begun = async () =>
      (await findSnapshots(region, lease)).map(({ SnapshotId, State }) => ({ id: SnapshotId!, state: State! }));
    const resume = async (state?: string) => {
      const found = (await begun()).map((each) => ({ ...each, ...(state !== undefined && { state }) }));
      return uploadSnapshot(upload(), found, context());
    };
    const calls = (action: string) => api.calls.filter((call) => call === `${region} ${action}`).length;

    it("was completed, although `up` was killed before it noted that, is used as it is", async () => {
      const id = await uploadSnapshot(upload(), [], context());
      const { content, done } = (await notedImport(id))!;
      await noteImport(id, { content, done, isComplete: false });
      const sent = calls("PutSnapshotBlock");
      assert.equal(await resume(), id);
      assert.deepEqual([calls("PutSnapshotBlock"), (await begun()).length], [sent, 1]);
    });

    it("AWS is completing, although `up` was killed before it noted that, is waited for", async () => {
      const id = await uploadSnapshot(upload(), [], context());
      await noteImport(id, { ...(await notedImport(id))!, isComplete: false });
      const sent = calls("PutSnapshotBlock");
      const error = { code: "ValidationException", message: "it is complete already" };
      api.faults.add({ action: "CompleteSnapshot", error });
      // As AWS shows it until it has put the blocks together.
      assert.equal(await resume("pending"), id);
      assert.deepEqual([calls("PutSnapshotBlock"), (await begun()).length], [sent, 1]);
    });

    it("has all its blocks, but was not completed, is completed without sending them again", async () => {
      const error = { code: "AccessDeniedException", message: "not authorized", status: 403 };
      api.faults.add({ action: "CompleteSnapshot", error });
      await assert.rejects(uploadSnapshot(upload(), [], context()), /not authorized/);
      const [[{ id }], sent] = [await begun(), calls("PutSnapshotBlock")];
      assert.equal(await resume(), id);
      assert.equal(calls("PutSnapshotBlock"), sent);
    });

    it("AWS completes, but without an answer, is waited for", async () => {
      api.faults.add({ action: "CompleteSnapshot", lost: true });
      const id = await uploadSnapshot(upload(), [], context());
      assert.deepEqual(await begun(), [{ id, state: "completed" }]);
    });

    it("AWS refuses to complete fails at once", async () => {
      const error = { code: "ValidationException", message: "the checksum is wrong" };
      api.faults.add({ action: "CompleteSnapshot", error });
      await assert.rejects(uploadSnapshot(upload(), [], context()), /the checksum is wrong/);
    });
  });
});
