// Importing local disks as AMIs through the EBS direct APIs: against moto, behind the test cloud's proxy, which checks
// lengths and checksums as AWS documents them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { EC2 } from "@aws-sdk/client-ec2";
import { tagKey, tagNames } from "../../../components/ec2/facts/tags.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { ec2Labels } from "../../../components/ec2/facts/labels.ts";
import { dataBlocks } from "../../../components/local/provider/disk/data-blocks.ts";
import { findImage, findSnapshots, tagsOf } from "../../../components/ec2/provider/tagged-resources.ts";
import { ec2Sweep } from "../../../components/ec2/provider/functions/sweep.ts";
import type { Context } from "../../../provider/resource.ts";
import { imageLease } from "../../../components/ec2/provider/resources/image-lease.ts";
import { importedImage } from "../../../components/ec2/provider/resources/imported-image.ts";
import type { Ec2Api } from "../../test-cloud/ec2/api.ts";
import { baseImage } from "../../test-cloud/ec2-cloud.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { openImportPlace } from "./import-place.ts";

const region = "eu-central-1";
const owner = { project: "ci-images", stack: "test", distribution: "debian12" };
const recipe = "b".repeat(64);
const lease = cloudLabels(ec2Labels, { ...owner, recipe, role: "image" });
const tags = { ...lease, Name: "worker" };
const blockSize = 512 * 1024;

describe("a local disk imported into EC2", function () {
  // The first run installs moto.
  this.timeout(400_000);
  let api: Ec2Api;
  let close: () => Promise<void>;
  let client: EC2;
  let home: string;
  let folder: string;

  before(async () => {
    ({ api, client, home, folder, close } = await openImportPlace(region, { recipe, formats: ["qcow2", "raw"] }));
  });
  after(() => close());
  afterEach(async () => {
    api.faults.clear();
    await imageLease.delete!("", { region, name: "worker", tags: lease }, context());
    assert.deepEqual(await snapshots(), [], "deleting the lease leaves nothing behind");
  });

  const context = (): Context & { lines: string[]; abort: AbortController } => {
    const abort = new AbortController();
    const lines: string[] = [];
    return { abort, lines, signal: abort.signal, progress: (line) => void lines.push(line) };
  };
  const importing = (more: object = {}) => ({
    ...{ folder, recipe, name: "worker", description: "worker: debian12", lease, lifetime: 3600, diskSize: 8 },
    ...{ bootMode: "uefi-preferred" as const, encrypted: false },
    ...more,
  });
  const create = async (more: object = {}, asked = context()) =>
    importedImage.create({ region, tags, importing: importing(more) }, asked);
  const snapshots = async () => (await findSnapshots(region, lease)).map(({ SnapshotId }) => SnapshotId!);
  const notes = async () => readdir(join(home, "cache", "imports")).catch(() => []);
  const calls = (action: string) => api.calls.filter((call) => call === `${region} ${action}`).length;

  it("only sends blocks with data, and registers an image that boots by UEFI and by BIOS", async () => {
    const { id, outputs } = await create();
    const image = (await findImage(region, id))!;
    const [snapshot] = await snapshots();
    const written = api.snapshots.all.get(snapshot)!;
    // The disk has 3 MiB of data at the beginning and 2.5 MiB after the 9th MiB.
    const expected = [...Array(6).keys(), ...[18, 19, 20, 21, 22]];
    assert.deepEqual(
      [...written.digests.keys()].sort((a, b) => a - b),
      expected,
    );
    const raw = await readFile(join(folder, "disk.raw"));
    for (const [index, digest] of written.digests) {
      const block = raw.subarray(index * blockSize, (index + 1) * blockSize);
      assert.deepEqual(digest, createHash("sha256").update(block).digest());
    }
    assert.equal(written.size, 1, "GiB");
    assert.deepEqual([image.BootMode, image.Architecture, image.EnaSupport], ["uefi-preferred", "x86_64", true]);
    const [device] = image.BlockDeviceMappings!;
    assert.deepEqual(
      [device.DeviceName, device.Ebs!.SnapshotId, device.Ebs!.VolumeType, device.Ebs!.VolumeSize],
      ["/dev/xvda", snapshot, "gp3", 8],
    );
    assert.equal(tagsOf(image)[tagNames.builder].split(" ")[0], "1".repeat(32));
    assert.ok(tagsOf(image)[tagKey("expires")], "an unverified image can be swept");
    const [found] = await findSnapshots(region, lease);
    assert.equal(tagsOf(found)[tagKey("expires")], undefined);
    assert.equal(tagsOf(found).Name, "worker");
    assert.deepEqual(outputs.builder.loginKey, "ssh-ed25519 BBBB");
    assert.deepEqual(await notes(), []);
    assert.equal(await importedImage.drift!(id, outputs), "none");
    await importedImage.delete!(id, outputs, context());
    assert.equal(await importedImage.drift!(id, outputs), "replace");
    assert.deepEqual(await snapshots(), [], "the snapshot goes with its image");
  });

  it("asks for encryption with the stack's key", async () => {
    const kmsKey = `arn:aws:kms:${region}:123456789012:key/1`;
    await create({ encrypted: true, kmsKey });
    const [snapshot] = await snapshots();
    const { Encrypted, KmsKeyArn } = api.snapshots.all.get(snapshot)!.request;
    assert.deepEqual([Encrypted, KmsKeyArn], [true, kmsKey]);
  });

  it("continues more slowly when AWS throttles", async () => {
    const error = { code: "RequestThrottledException", message: "Rate exceeded" };
    api.faults.add({ action: "PutSnapshotBlock", times: 12, error });
    const { id } = await create();
    assert.ok(await findImage(region, id));
  });

  it("sends blocks again if their connection was cut", async () => {
    api.faults.add({ action: "PutSnapshotBlock", times: 3, cut: true });
    const { id } = await create();
    assert.ok(await findImage(region, id));
  });

  it("refuses content that AWS received wrong, and continues in the same snapshot", async () => {
    const headers = { "x-amz-checksum": "b3RoZXI=" };
    api.faults.add({ action: "PutSnapshotBlock", headers });
    await assert.rejects(create(), /block \d+: AWS received different content: its SHA256 is b3RoZXI=/);
    const [before] = await snapshots();
    const started = calls("StartSnapshot");
    await create();
    assert.deepEqual(await snapshots(), [before]);
    assert.equal(calls("StartSnapshot"), started);
  });

  it("resumes after an interruption, with neither a second snapshot nor repeated blocks", async () => {
    const large = join(home, "large");
    // The upload takes some seconds at this latency.
    await makeStoredImage(large, { recipe, formats: ["raw"], data: 40 });
    api.faults.latency = 600;
    const first = context();
    const creating = create({ folder: large }, first);
    const timer = setInterval(() => {
      if (calls("PutSnapshotBlock") > put + 50) first.abort.abort(new Error("killed"));
    }, 20);
    const put = calls("PutSnapshotBlock");
    await assert.rejects(creating, /killed/);
    clearInterval(timer);
    api.faults.latency = 0;
    const [half] = await snapshots();
    assert.equal((await notes()).length, 1);
    const sent = calls("PutSnapshotBlock");
    const second = context();
    await create({ folder: large }, second);
    const [, there] = /continuing with snap-\w+, which already has (\d+) blocks/.exec(second.lines.join("\n")) ?? [];
    assert.ok(Number(there) > 0, second.lines.join("\n"));
    assert.deepEqual(await snapshots(), [half]);
    assert.equal(calls("PutSnapshotBlock") - sent, 80 - Number(there), "only the missing blocks are sent");
  });

  it("deletes incomplete snapshots of different content and those without a record on this computer", async () => {
    api.faults.add({
      action: "CompleteSnapshot",
      error: { code: "InternalServerException", message: "?", status: 500 },
      times: 20,
    });
    await assert.rejects(create(), /InternalServerException/);
    api.faults.clear();
    const [half] = await snapshots();
    await rm(join(home, "cache", "imports"), { recursive: true });
    await create();
    const [made, ...more] = await snapshots();
    assert.deepEqual(more, []);
    assert.notEqual(made, half);
  });

  it("adopts an image that a killed `up` had registered", async () => {
    const { id } = await create();
    const registered = calls("RegisterImage");
    assert.equal((await create()).id, id);
    assert.equal(calls("RegisterImage"), registered);
  });

  it("refuses a name that another image has before it uploads anything", async () => {
    const { Instances } = await client.runInstances({ ImageId: baseImage.ami_id, MinCount: 1, MaxCount: 1 });
    await client.createImage({ InstanceId: Instances![0].InstanceId, Name: "taken" });
    const started = calls("StartSnapshot");
    await assert.rejects(create({ name: "taken" }), /image "taken" in eu-central-1: ami-\w+ already has that name/);
    assert.equal(calls("StartSnapshot"), started);
  });

  it("is refused before the upload if it lacks drivers for EC2's disks or network, or a data source", async () => {
    const guest = { kernel: "6.1", drivers: {}, dataSources: ["NoCloud"] };
    const bare = join(home, "bare");
    await makeStoredImage(bare, { recipe, formats: ["raw"], manifest: { guest } });
    const started = calls("StartSnapshot");
    await assert.rejects(create({ folder: bare }), /for EC2: .*no driver nvme.*no driver ena.*data source Ec2/s);
    assert.equal(calls("StartSnapshot"), started);
  });

  it("names the missing permissions", async () => {
    api.faults.add({
      action: "StartSnapshot",
      error: { code: "AccessDeniedException", message: "not authorized", status: 403 },
    });
    await assert.rejects(create(), /not authorized .*cure: docs\/ec2\.md lists the required IAM permissions/);
  });

  it("is found by sweep if it failed, but not while it is in progress", async () => {
    api.faults.add({ action: "PutSnapshotBlock", headers: { "x-amz-checksum": "b3RoZXI=" } });
    await assert.rejects(create());
    const asked = { regions: [region], project: owner.project, stack: owner.stack, remove: true };
    assert.deepEqual((await ec2Sweep.call(asked, context())).leftovers, []);
    const { leftovers } = await ec2Sweep.call({ ...asked, now: "2099-01-01T00:00:00Z" }, context());
    assert.deepEqual(
      leftovers.map(({ kind, description, problem }) => [kind, description, problem]),
      [["snapshot", "its import never finished", undefined]],
    );
    assert.deepEqual([await snapshots(), await notes()], [[], []]);
  });

  it("finds the data of an almost empty disk of 50 GiB at once", async () => {
    const disk = join(home, "large.raw");
    const file = await open(disk, "w");
    await file.truncate(50 * 2 ** 30);
    await file.write(Buffer.from("data"), 0, undefined, 30 * 2 ** 30);
    await file.close();
    assert.deepEqual(await dataBlocks(disk, blockSize), [(30 * 2 ** 30) / blockSize]);
  });
});
