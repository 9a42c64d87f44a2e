// Our provider's resources for servers and images, against a fake OpenStack that can fail in every way we know of.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { labelKey, cloudLabels } from "../../../common/labels.ts";
import { openstackLabels } from "../../../components/openstack/facts/labels.ts";
import { lease } from "../../../components/openstack/provider/resources/lease.ts";
import { serverImage } from "../../../components/openstack/provider/resources/server-image.ts";
import { sharing } from "../../../components/openstack/provider/resources/sharing.ts";
import {
  imageLook,
  promotion,
  retirement,
  sealMark,
  stop,
} from "../../../components/openstack/provider/resources/steps.ts";
import { survey } from "../../../components/openstack/provider/functions/lookups.ts";
import { distributions } from "../../../provision/distributions.ts";
import { addKeyPair, addServer, cloudForEachTest, imageInputs, labels, leaseInputs, testContext } from "./support.ts";

const region = "RegionOne";
const owner = { region, project: labels.project, stack: labels.stack, distribution: labels.distribution };

describe("rackspace Lease", () => {
  const cloud = cloudForEachTest();

  it("gives each server a new name, with labels, tags and an expiry", async () => {
    const one = await lease.create(leaseInputs({ tags: { team: "ci" } }), testContext());
    const other = await lease.create(leaseInputs(), testContext());
    assert.notEqual(one.outputs.machine, other.outputs.machine);
    assert.equal(one.outputs.metadata.team, "ci");
    assert.equal(one.outputs.metadata.ci_images_recipe, labels.recipe);
    assert.match(one.outputs.metadata.ci_images_expires, /^\d{8}T\d{6}Z$/);
  });

  it("removes what an earlier bake of the same owner has left, and nothing else", async () => {
    const mine = { ...labels, recipe: "another" };
    await addServer(cloud(), { name: "left", metadata: cloudLabels(openstackLabels, mine) });
    const others = await addServer(cloud(), { metadata: cloudLabels(openstackLabels, { ...labels, stack: "other" }) });
    const context = testContext();
    await lease.create(leaseInputs(), context);
    assert.deepEqual([...cloud().region().servers.keys()], [others.id]);
    assert.match(context.lines.join(), /removed server left/);
  });

  it("leaves its unverified image alone once another builder was made at a stage before `image`", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    const server = await addServer(cloud(), { name: outputs.machine, status: "SHUTOFF" });
    const image = await serverImage.create(imageInputs(server), testContext());
    await lease.create(leaseInputs({ open: true }), testContext());
    await lease.delete!(id, outputs, testContext());
    assert.ok(cloud().region().images.has(image.id));
  });

  it("deletes its server in any state, and tolerates a missing server", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    await addServer(cloud(), { name: outputs.machine, status: "ERROR" });
    await lease.delete!(id, outputs, testContext());
    assert.equal(cloud().region().servers.size, 0);
    await lease.delete!(id, outputs, testContext());
  });

  /** What the official provider creates for a machine besides its server, under the machine's name. */
  const addBelongings = (name: string) => {
    const project_id = cloud().account.project;
    const collections = { floatingips: { description: name }, ports: { name }, "security-groups": { name } };
    for (const [collection, fields] of Object.entries(collections)) {
      const id = randomUUID();
      cloud()
        .region()
        .collection(collection)
        .set(id, { id, project_id, ...fields });
    }
    cloud().region().keypairs.set(name, { name, public_key: "ssh-ed25519 AAAA" });
  };
  const belongings = () => {
    const { keypairs } = cloud().region();
    const others = ["floatingips", "ports", "security-groups"].map((each) => cloud().region().collection(each).size);
    return [...others, keypairs.size];
  };

  it("names a machine so that Nova accepts the name for its key pair, whatever the distribution and stack", async () => {
    for (const { id: distribution } of distributions) {
      const prefix = `ci-images-release.2026-${distribution}-01234567-builder`;
      const { id, outputs } = await lease.create(leaseInputs({ prefix }), testContext());
      assert.equal(await addKeyPair(cloud(), outputs.machine), 200, outputs.machine);
      await lease.delete!(id, outputs, testContext());
    }
    assert.deepEqual(belongings(), [0, 0, 0, 0]);
  });

  it("deletes no address of others on a cloud that can't look for descriptions, or has none at all", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    addBelongings(outputs.machine);
    addBelongings("somebody's");
    cloud().faults.unknownFilters.push("description");
    await lease.delete!(id, outputs, testContext());
    assert.deepEqual(belongings(), [1, 1, 1, 1]);
    cloud().faults.refuse({
      matches: /floatingips/,
      status: 404,
      message: "The resource could not be found.",
      times: 9,
    });
    const again = await lease.create(leaseInputs(), testContext());
    await lease.delete!(again.id, again.outputs, testContext());
    assert.deepEqual(belongings(), [1, 1, 1, 1]);
  });

  it("deletes the server, then its address, port, security group and key pair, also after a refusal, and nothing else", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    const server = await addServer(cloud(), { name: outputs.machine });
    server.securityGroups = [outputs.machine];
    addBelongings(outputs.machine);
    addBelongings(`${outputs.machine}0`);
    cloud().faults.refuse({ matches: /^DELETE .*security-groups/, status: 403, message: "not now" });
    await assert.rejects(async () => lease.delete!(id, outputs, testContext()), /not now/);
    assert.equal(cloud().region().servers.size, 0);
    await lease.delete!(id, outputs, testContext());
    assert.deepEqual(belongings(), [1, 1, 1, 1]);
  });

  it("waits while a security group is still in use", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    addBelongings(outputs.machine);
    cloud().faults.refuse({ matches: /^DELETE .*security-groups/, status: 409, message: "in use", times: 2 });
    await lease.delete!(id, outputs, testContext());
    assert.deepEqual(belongings(), [0, 0, 0, 0]);
  });

  it("deletes what an earlier lease of the same bake left without a server", async () => {
    const { outputs } = await lease.create(leaseInputs(), testContext());
    addBelongings(outputs.machine);
    const others = `${leaseInputs().prefix}-docker-0a1b2c`;
    addBelongings(others);
    const context = testContext();
    await lease.create(leaseInputs(), context);
    assert.deepEqual(belongings(), [1, 1, 1, 1]);
    assert.ok(cloud().region().keypairs.has(others));
    assert.match(context.lines.join(), /removed security group .*, left by an earlier bake/);
  });

  it("deletes its server's unverified images and keeps the verified ones", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    const server = await addServer(cloud(), { name: outputs.machine, status: "SHUTOFF" });
    const one = await serverImage.create(imageInputs(server), testContext());
    await promotion.create({ region, image: one.id, how: "test", report: "ok 1\nok 2" }, testContext());
    const two = await serverImage.create(imageInputs(server, { recipe: "fedc" }), testContext());
    await lease.delete!(id, outputs, testContext());
    assert.ok(cloud().region().images.has(one.id));
    assert.ok(!cloud().region().images.has(two.id));
  });

  it("is replaced if it has expired, if its server is gone or broken, or if sealing was interrupted", async () => {
    const { id, outputs } = await lease.create(leaseInputs(), testContext());
    const drift = (changes = {}) => lease.drift!(id, { ...outputs, ...changes });
    assert.equal(await drift(), "replace", "no server");
    const server = await addServer(cloud(), { name: outputs.machine });
    assert.equal(await drift(), "none");
    assert.equal(await drift({ deadline: "2020-01-01T00:00:00Z" }), "replace", "expired");
    await sealMark.create({ region, server: server.id }, testContext());
    assert.equal(await drift(), "replace", "sealing has started");
    await stop.create({ region, server: server.id }, testContext());
    assert.equal(await drift(), "none", "sealed and stopped");
    assert.equal(
      await lease.drift!(id, outputs, leaseInputs({ open: true })),
      "replace",
      "sealed, but the builder must allow logins",
    );
    server.status = "ACTIVE";
    assert.equal(await drift(), "replace", "started again after sealing");
    server.metadata = {};
    server.status = "ERROR";
    assert.equal(await drift(), "replace", "broken");
  });
});

describe("rackspace Stop and Retirement", () => {
  const cloud = cloudForEachTest();

  it("stop the server through the API and wait until it is SHUTOFF, unless it is already stopped", async () => {
    const { id } = await addServer(cloud());
    await stop.create({ region, server: id }, testContext());
    const server = cloud().region().servers.get(id)!;
    assert.equal(server.status, "SHUTOFF");
    await stop.create({ region, server: id }, testContext());
    assert.equal(cloud().calls.filter((call) => call.endsWith("os-stop")).length, 1);
  });

  it("report a server that breaks or is gone", async () => {
    const server = await addServer(cloud());
    cloud().faults.ignoredStops = 1;
    setTimeout(() => Object.assign(server, { status: "ERROR", fault: { code: 500, message: "no power" } }), 20);
    await assert.rejects(
      async () => stop.create({ region, server: server.id }, testContext()),
      /server worker-1 .*, waited 0 s for it to be SHUTOFF: it is in ERROR: no power; cure: look at it with `openstack --os-region-name RegionOne server show/,
    );
    cloud().region().servers.clear();
    await assert.rejects(
      async () => stop.create({ region, server: server.id }, testContext()),
      /is gone; cure: run `pulumi up`/,
    );
  });

  it("delete the server and wait until it is gone; no-op if it no longer exists", async () => {
    const { id } = await addServer(cloud());
    await retirement.create({ region, server: id }, testContext());
    assert.equal(cloud().region().servers.size, 0);
    await retirement.create({ region, server: id }, testContext());
  });

  it("fail if the API refuses the deletion, and succeed on a later try", async () => {
    const { id } = await addServer(cloud());
    cloud().faults.refuse({ matches: /^DELETE .*servers/, status: 409, message: "locked" });
    const retire = async () => retirement.create({ region, server: id }, testContext());
    await assert.rejects(retire, /DELETE \/servers\/.* was refused with 409: locked/);
    await retire();
    assert.equal(cloud().region().servers.size, 0);
  });

  it("stop waiting when the user cancels", async () => {
    const { id } = await addServer(cloud());
    cloud().faults.ignoredDeletions = 1;
    const context = testContext();
    setTimeout(() => context.abort.abort(new Error("cancelled")), 20);
    await assert.rejects(async () => retirement.create({ region, server: id }, context), /cancelled/);
  });
});

describe("rackspace ServerImage", () => {
  const cloud = cloudForEachTest();
  const stopped = () => addServer(cloud(), { status: "SHUTOFF" });
  const make = async (server: Awaited<ReturnType<typeof stopped>>, changes = {}) =>
    serverImage.create(imageInputs(server, changes), testContext());

  it("is made by Nova, and is ready once Nova has also finished with the server", async () => {
    const server = await stopped();
    const { id, outputs } = await make(server);
    assert.equal(server.taskState, null);
    const image = cloud().region().images.get(id)!;
    assert.equal(image.status, "active");
    assert.equal(image.name, "ci-images-rackspace-debian12-worker-0123456789ab");
    assert.equal(image.team, "ci");
    assert.equal(outputs.bytes, 1_000_000);
    assert.deepEqual(outputs.builder, imageInputs(server).making!.builder);
    assert.ok(!("making" in outputs));
  });

  it("reads the image's id from the Location header on clouds without microversions", async () => {
    const server = await stopped();
    cloud().hasMicroversions = false;
    const { id } = await make(server);
    assert.ok(cloud().region().images.has(id));
  });

  for (const [end, reason] of [
    ["queued", /went from saving back to queued|has no content, and Nova is done with its server/],
    ["killed", /it ended as killed/],
    ["pending_delete", /it ended as pending_delete/],
    ["deactivated", /it was deactivated/],
    ["gone", /it is gone: Nova drops an image that its compute host could not make/],
    ["empty", /it is active and empty/],
  ] as const) {
    it(`fails if the image ends as ${end}; the next try deletes it and makes another`, async () => {
      const server = await stopped();
      cloud().faults.snapshotEnds.push(end);
      await assert.rejects(async () => make(server), reason);
      while (server.taskState) await new Promise((resolve) => setTimeout(resolve, 1));
      const { id } = await make(server);
      const ours = [...cloud().region().images.values()].filter((image) => "instance_uuid" in image);
      assert.deepEqual(
        ours.map((image) => image.id),
        [id],
      );
    });
  }

  it("continues with the image that an interrupted `pulumi up` has started", async () => {
    const server = await stopped();
    const context = testContext();
    setTimeout(() => context.abort.abort(new Error("cancelled")), 3);
    const slow = cloud().region();
    slow.hypervisor.snapshot = async () => (await new Promise((resolve) => setTimeout(resolve, 60)), { size: 7 });
    await assert.rejects(async () => serverImage.create(imageInputs(server), context), /cancelled/);
    const { outputs } = await make(server);
    assert.equal(outputs.bytes, 7);
    assert.equal(cloud().calls.filter((call) => call.endsWith("createImage")).length, 1);
  });

  it("refuses a server that was started again after sealing", async () => {
    const server = await addServer(cloud());
    await assert.rejects(async () => make(server), /is ACTIVE although it was sealed and stopped/);
  });

  it("adopts its recipe's image after the state was lost, without a server", async () => {
    const server = await stopped();
    const { id } = await make(server);
    const kept = imageInputs(server, { making: undefined });
    cloud().region().servers.clear();
    const context = testContext();
    assert.equal((await serverImage.create(kept, context)).id, id);
    assert.match(context.lines.join(), /adopted/);
  });

  it("fails if neither the image nor the server exists", async () => {
    const kept = imageInputs(await stopped(), { making: undefined });
    await assert.rejects(async () => serverImage.create(kept, testContext()), /is gone, and so is its builder/);
  });

  it("detects a deleted image and a changed property", async () => {
    const { id, outputs } = await make(await stopped());
    assert.equal(await serverImage.drift!(id, outputs), "none");
    const image = cloud().region().images.get(id)!;
    image.team = "other";
    assert.equal(await serverImage.drift!(id, outputs), "update");
    assert.equal((await serverImage.read!(id, outputs, testContext()))!.properties.team, "other");
    cloud().region().images.delete(id);
    assert.equal(await serverImage.drift!(id, outputs), "replace");
    assert.equal(await serverImage.read!(id, outputs, testContext()), undefined);
  });

  it("adds, changes and removes properties in place", async () => {
    const server = await stopped();
    const { id, outputs } = await make(server, { properties: { team: "ci", old: "1" } });
    const wanted = imageInputs(server, { properties: { team: "qa", fresh: "2" } });
    const state = await serverImage.update!(id, outputs, wanted, testContext());
    const { team, fresh, old } = cloud().region().images.get(id)!;
    assert.deepEqual({ team, fresh, old }, { team: "qa", fresh: "2", old: undefined });
    assert.deepEqual(state.properties, { team: "qa", fresh: "2" });
  });

  it("deletes its snapshot and volume too if the server booted from a volume", async () => {
    const server = await addServer(cloud(), { status: "SHUTOFF", fromVolume: true });
    const { id, outputs } = await make(server);
    await retirement.create({ region, server: server.id }, testContext());
    const { snapshots, volumes, images } = cloud().region();
    assert.deepEqual([snapshots.size, volumes.size], [1, 1], "the image needs both");
    await imageLook.create({ region, image: id }, testContext());
    await serverImage.delete!(id, outputs, testContext());
    assert.deepEqual([images.has(id), snapshots.size, volumes.size], [false, 0, 0]);
    await serverImage.delete!(id, outputs, testContext());
  });

  it("that disappeared with its server is detected by the check after retirement", async () => {
    const { id } = await make(await stopped());
    await imageLook.create({ region, image: id }, testContext());
    cloud().region().images.delete(id);
    await assert.rejects(
      async () => imageLook.create({ region, image: id }, testContext()),
      /it was deleted with its server/,
    );
  });
});

describe("rackspace images after the bake", () => {
  const cloud = cloudForEachTest();
  const made = async (recipe = labels.recipe) =>
    serverImage.create(imageInputs(await addServer(cloud(), { status: "SHUTOFF" }), { recipe }), testContext());
  const promote = (image: string) =>
    promotion.create({ region, image, how: "m1.small", report: "ok 1 a\nok 2 b" }, testContext());

  it("are found with their plan, and count as verified only after promotion", async () => {
    const { id } = await made();
    const before = await survey.call(owner, testContext());
    assert.deepEqual(
      before.images.map((image) => [image.id, image.proven, image.plan]),
      [[id, false, { recipe: labels.recipe }]],
    );
    await promote(id);
    assert.equal((await survey.call(owner, testContext())).images[0].proven, true);
    const image = cloud().region().images.get(id)!;
    assert.ok(!(labelKey(openstackLabels, "expires") in image) && !(labelKey(openstackLabels, "machine") in image));
  });

  it("are not confused with a user's snapshot of a worker, which inherits their properties", async () => {
    const { id } = await made();
    await promote(id);
    const inherited = cloud().region().images.get(id)!;
    cloud()
      .region()
      .addImage({ ...inherited, id: randomUUID(), name: "a worker's snapshot" });
    assert.deepEqual(
      (await survey.call(owner, testContext())).images.map((image) => image.id),
      [id],
    );
  });

  it("are the project's own: others may share theirs, and administrators see everything", async () => {
    const server = await addServer(cloud(), { status: "SHUTOFF" });
    const { id } = await serverImage.create(imageInputs(server), testContext());
    const own = cloud().region().images.get(id)!;
    cloud()
      .region()
      .addImage({ ...own, id: randomUUID(), name: "another project's", owner: "others", visibility: "public" });
    assert.deepEqual(
      (await survey.call(owner, testContext())).images.map((image) => image.id),
      [id],
    );
  });

  it("come with the recipes of interrupted bakes' builders", async () => {
    await addServer(cloud(), { metadata: cloudLabels(openstackLabels, labels) });
    assert.deepEqual((await survey.call(owner, testContext())).builders, [labels.recipe]);
  });

  it("come with the recipes of builders past their deadline, which are replaced, apart from the others", async () => {
    const metadata = { ...cloudLabels(openstackLabels, labels), [labelKey(openstackLabels, "expires")]: "" };
    const server = await addServer(cloud(), { metadata });
    for (const [expires, isExpired] of [
      ["29990101T000000Z", false],
      ["20200101T000000Z", true],
    ] as const) {
      server.metadata[labelKey(openstackLabels, "expires")] = expires;
      const { builders, expired } = await survey.call(owner, testContext());
      assert.deepEqual([builders, expired], isExpired ? [[], [labels.recipe]] : [[labels.recipe], []]);
    }
  });

  it("come with the recipes of sealed and stopped builders that have not expired", async () => {
    const sealed = async () => (await survey.call(owner, testContext())).sealed;
    const server = await addServer(cloud(), { metadata: cloudLabels(openstackLabels, labels) });
    assert.deepEqual(await sealed(), []);
    await sealMark.create({ region: "RegionOne", server: server.id }, testContext());
    await stop.create({ region: "RegionOne", server: server.id }, testContext());
    assert.deepEqual(await sealed(), [labels.recipe]);
    server.metadata[labelKey(openstackLabels, "expires")] = "20200101T000000Z";
    assert.deepEqual(await sealed(), []);
  });

  it("can't be promoted if they are gone", async () => {
    await assert.rejects(async () => promote("none"), /image none in RegionOne: is gone/);
  });

  it("are shared with members, and become private again when sharing is deleted", async () => {
    const { id } = await made();
    const inputs = { region, image: id, visibility: "shared" as const, members: ["project-b", "project-a"] };
    await sharing.create(inputs, testContext());
    const image = cloud().region().images.get(id)!;
    assert.equal(image.visibility, "shared");
    assert.equal(await sharing.drift!(id, inputs), "none");
    const fewer = { ...inputs, members: ["project-a"] };
    await sharing.update!(id, inputs, fewer, testContext());
    assert.deepEqual([...cloud().region().members.get(id)!.keys()], ["project-a"]);
    assert.equal(await sharing.drift!(id, inputs), "update");
    await sharing.delete!(id, fewer, testContext());
    assert.equal(image.visibility, "private");
    cloud().region().images.delete(id);
    await sharing.delete!(id, fewer, testContext());
  });
});
