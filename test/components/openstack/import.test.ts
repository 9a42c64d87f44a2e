// Local images uploaded to the fake Glance: the resulting image, and the cleanup after failures.
import type { PlanDescription } from "../../../provision/plan/explain.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labelKey } from "../../../common/labels.ts";
import { openstackLabels } from "../../../components/openstack/facts/labels.ts";
import { sweep } from "../../../components/openstack/provider/functions/sweep.ts";
import { importLease } from "../../../components/openstack/provider/resources/import-lease.ts";
import type { InputsOf } from "../../../common/contract.ts";
import type { ServerImage } from "../../../components/openstack/contract.ts";
import { serverImage } from "../../../components/openstack/provider/resources/server-image.ts";
import { promotion } from "../../../components/openstack/provider/resources/steps.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { cloudForEachTest, labels, testContext } from "./support.ts";

const region = "RegionOne";

describe("an image imported into OpenStack", () => {
  const cloud = cloudForEachTest();
  let home: string;
  let folder: string;
  let cache: string | undefined;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "ci-images-import-"));
    folder = join(home, "image");
    await makeStoredImage(folder, { recipe: labels.recipe });
    cache = process.env.CI_IMAGES_CACHE;
    process.env.CI_IMAGES_CACHE = join(home, "cache");
  });
  after(async () => {
    if (cache === undefined) delete process.env.CI_IMAGES_CACHE;
    else process.env.CI_IMAGES_CACHE = cache;
    await rm(home, { recursive: true });
  });

  const leased = async () =>
    (
      await importLease.create(
        { region, prefix: "p", labels: { ...labels, role: "image" }, lifetime: 3600 },
        testContext(),
      )
    ).outputs;
  const { project, stack, distribution, recipe } = labels;
  const inputs = async (changes: object = {}): Promise<InputsOf<typeof ServerImage>> => {
    const { machine, expires } = await leased();
    const defaults = { os_distro: "debian", hw_disk_bus: "virtio" };
    const importing = {
      folder,
      machine,
      base: "base",
      expires,
      plan: { recipe } as PlanDescription,
      format: "qcow2" as const,
      defaults,
    };
    const identity = { region, project, stack, distribution, recipe, name: "worker" };
    return { ...identity, properties: { hw_disk_bus: "scsi" }, importing: { ...importing, ...changes } };
  };
  const create = async (changes: object = {}, context = testContext()) =>
    serverImage.create(await inputs(changes), context);
  const images = () => [...cloud().region().images.values()];

  it("is the unchanged qcow2, with labels, hypervisor properties and the builder's identity", async () => {
    const { id, outputs } = await create();
    const image = cloud().region().images.get(id)!;
    const content = await readFile(join(folder, "disk.qcow2"));
    assert.equal(image.os_hash_value, createHash("sha512").update(content).digest("hex"));
    assert.deepEqual([image.status, image.disk_format, image.min_disk], ["active", "qcow2", 1]);
    assert.deepEqual([image.os_distro, image.hw_disk_bus, image.visibility], ["debian", "scsi", "private"]);
    assert.equal(image[labelKey(openstackLabels, "recipe")], recipe);
    assert.equal(outputs.builder.machineId, "1".repeat(32));
    assert.ok(!("importing" in outputs));
    assert.equal(await serverImage.drift!(id, outputs), "none");
  });

  it("is raw if the stack asks for raw, and the converted disk is removed", async () => {
    const { id } = await create({ format: "raw" });
    assert.deepEqual([cloud().region().images.get(id)!.size, images().length], [64 * 2 ** 20, 1]);
    const { readdir } = await import("node:fs/promises");
    assert.deepEqual(await readdir(join(home, "cache", "disks")), []);
  });

  it("is deleted if Glance received different bytes", async () => {
    cloud().faults.uploadEnds.push("other content");
    await assert.rejects(create(), /Glance received different content: its sha512 is [0-9a-f]{128}/);
    assert.deepEqual(images(), []);
  });

  it("is uploaded again if the connection is cut, at most three times", async () => {
    cloud().faults.cutUploads = 2;
    const context = testContext();
    await create({}, context);
    assert.equal(context.lines.filter((line) => line.includes("uploading again")).length, 2);
    assert.equal(images().length, 1);
    cloud().faults.cutUploads = 3;
    cloud().region().images.clear();
    await assert.rejects(create(), /no connection/);
    assert.deepEqual(images(), []);
  });

  for (const [end, reason] of [
    ["killed", /it ended as killed/],
    ["queued", /it is queued again/],
    ["pending_delete", /it ended as pending_delete/],
  ] as const) {
    it(`is deleted if it ends as ${end}`, async () => {
      cloud().faults.uploadEnds.push(end);
      await assert.rejects(create(), reason);
      assert.deepEqual(images(), []);
    });
  }

  it("is deleted if the image store is full, and the error says what to do", async () => {
    cloud().faults.refuse({ matches: /^PUT .*\/file$/, status: 413, message: "quota exceeded" });
    await assert.rejects(create(), /do not fit into the image store: .*quota exceeded.*; cure: free some/);
    assert.deepEqual(images(), []);
  });

  it("is uploaded again if Glance was busy at first", async () => {
    const headers = { "retry-after": "0" };
    cloud().faults.refuse({ matches: /^PUT .*\/file$/, status: 503, message: "busy", headers });
    await create();
    assert.equal(images().length, 1);
  });

  it("is deleted if the user cancels", async () => {
    const context = testContext();
    cloud().faults.latency = 300;
    const creating = create({}, context);
    setTimeout(() => context.abort.abort(new Error("cancelled")), 900);
    await assert.rejects(creating, /cancelled/);
    assert.deepEqual(images(), []);
  });

  it("is deleted although Glance at first fails to, and the error is the upload's", async () => {
    const context = testContext();
    cloud().faults.latency = 300;
    cloud().faults.refuse({ matches: /^DELETE .*\/images\//, status: 500, message: "busy" });
    const creating = create({}, context);
    setTimeout(() => context.abort.abort(new Error("cancelled")), 900);
    await assert.rejects(creating, /cancelled/);
    assert.deepEqual(images(), []);
  });

  it("replaces the remains of a killed upload; a new lease and a deleted lease remove them too", async () => {
    const half = async () => {
      const { machine } = await leased();
      const own = { project, stack, distribution, recipe, role: "image", machine, imported: "true" };
      const properties = Object.entries(own).map(([key, value]) => [labelKey(openstackLabels, key), value]);
      cloud()
        .region()
        .addImage({
          name: "half",
          status: "saving",
          owner: "bakery",
          ...(Object.fromEntries(properties) as Record<string, string>),
        });
      return machine;
    };
    const machine = await half();
    const { id } = await create({ machine });
    assert.deepEqual(
      images().map((image) => image.id),
      [id],
    );
    const state = { region, prefix: "p", labels: { ...labels, role: "image" as const }, lifetime: 3600, expires: "" };
    const another = await half();
    await importLease.delete!("", { ...state, machine: another }, testContext());
    assert.equal(images().length, 1, "deleted with its lease");
    await half();
    await leased();
    assert.equal(images().length, 1, "deleted by the next lease");
    await importLease.delete!("", { ...state, machine }, testContext());
    assert.equal(images().length, 0, "a complete but unverified image is deleted too");
  });

  it("stays after its lease is deleted, once it is verified", async () => {
    const { machine } = await leased();
    const { id } = await create({ machine });
    await promotion.create({ region, image: id, how: "test", report: "ok 1" }, testContext());
    const state = { region, prefix: "p", labels: { ...labels, role: "image" as const }, lifetime: 3600, expires: "" };
    await importLease.delete!("", { ...state, machine }, testContext());
    assert.equal(images().length, 1);
  });

  it("is found by sweep if it is incomplete and expired", async () => {
    cloud().faults.uploadEnds.push("saving");
    const context = testContext();
    const creating = create({}, context);
    while (images()[0]?.status !== "saving") await new Promise((resolve) => setTimeout(resolve, 5));
    const asked = { regions: [region], project, stack, lifetime: 3600, now: "2099-01-01T00:00:00Z", remove: true };
    const { leftovers } = await sweep.call(asked, testContext());
    assert.deepEqual(
      leftovers.map(({ kind, problem }) => [kind, problem]),
      [["image", undefined]],
    );
    await assert.rejects(creating, /it is gone/);
  });

  it("is refused before the upload if the local image is gone, has another recipe or is unverified", async () => {
    const other = join(home, "other");
    await assert.rejects(create({ folder: other }), /the image is gone/);
    await makeStoredImage(other, { recipe: "f".repeat(16) });
    await assert.rejects(create({ folder: other }), /is of recipe f+/);
    await makeStoredImage(other, { recipe, proven: false });
    await rm(join(other, "proof.json"));
    await assert.rejects(create({ folder: other }), /was never verified/);
    assert.ok(!cloud().calls.some((call) => call.startsWith("POST") && call.includes("/image")));
  });

  it("is refused before the upload if it lacks disk or network drivers for the hypervisor, or a data source", async () => {
    const guest = { kernel: "6.1", drivers: {}, dataSources: ["NoCloud"] };
    const bare = join(home, "bare");
    await makeStoredImage(bare, { recipe, manifest: { guest } });
    await assert.rejects(
      create({ folder: bare }),
      /for OpenStack: .*no driver virtio_scsi.*no driver virtio_net.*OpenStack or/s,
    );
    assert.ok(!cloud().calls.some((call) => call.startsWith("POST") && call.includes("/image")));
  });
});
