// Our resources on Google Compute Engine, against a fake Compute API.
import assert from "node:assert/strict";
import { packFacts } from "../../../common/image-facts.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { gceLabels, imageName, ownLabels } from "../../../components/gce/facts/labels.ts";
import { UserError } from "../../../common/user-error.ts";
import { gceClearing } from "../../../components/gce/provider/resources/clearing.ts";
import { gceFamily, gcePromotion } from "../../../components/gce/provider/resources/image-marks.ts";
import type { StateOf } from "../../../common/contract.ts";
import type { Lease } from "../../../components/gce/contract.ts";
import { gceLease } from "../../../components/gce/provider/resources/lease.ts";
import { gceDiskDrop, gceStop, gceSealMark, gceRetirement } from "../../../components/gce/provider/resources/steps.ts";
import type { GceApi } from "../../test-cloud/gce-api.ts";
import { stopInstance } from "../../test-cloud/gce/machines.ts";
import { create, insert, labels, makeMachine, watching, withGce } from "./support.ts";

const place = { project: "bakery", zone: "here-a" };
const madeWith = {
  ...{ machineType: "e2-small", diskSize: 12, diskType: "pd-standard", network: "default", publicAddress: true },
  ...{ networkTags: [], spot: false, secureBoot: false, tags: {} },
};
const lease = { ...place, prefix: "worker", labels, lifetime: 600, madeWith, recorded: true, runs: true };

/** Makes a lease, and its machine like the official provider. */
async function leased(api: GceApi, image?: string): Promise<StateOf<typeof Lease> & { instance: string }> {
  const { outputs } = await create(gceLease, { ...lease, ...(image && { image }) });
  const instance = await makeMachine(api, outputs.machine, { labels: cloudLabels(gceLabels, labels) });
  return { ...outputs, instance };
}

function stepOf({ machine, instance }: { machine: string; instance: string }) {
  return { ...place, machine, instance };
}

async function makeImage(api: GceApi, machine: string, changes: object = {}): Promise<void> {
  await insert(api, "projects/bakery/global/images", {
    name: "worker-1",
    sourceDisk: `projects/bakery/zones/here-a/disks/${machine}`,
    labels: cloudLabels(gceLabels, { ...labels, role: "image" }),
    ...changes,
  });
}

describe("a lease on gce", () => {
  it("gives machines valid and unique names", () =>
    withGce(async () => {
      const names = await Promise.all([1, 2].map(async () => (await create(gceLease, lease)).outputs.machine));
      assert.notEqual(names[0], names[1]);
      for (const name of names) assert.match(name, /^worker-[0-9a-f]{6}$/);
    }));

  it("removes what an earlier bake of the same owner has left in any zone, and nothing else", () =>
    withGce(async (api) => {
      await makeMachine(api, "earlier", { labels: cloudLabels(gceLabels, { ...labels, recipe: "another" }) });
      await makeMachine(api, "stranger", { labels: cloudLabels(gceLabels, { ...labels, stack: "other" }) });
      await insert(api, "projects/bakery/zones/here-b/disks", { name: "lost", labels: cloudLabels(gceLabels, labels) });
      const { lines } = await create(gceLease, lease);
      const { instances, disks } = api.project("bakery");
      assert.deepEqual([...instances.keys()], ["here-a/stranger"]);
      assert.deepEqual([...disks.keys()], ["here-a/stranger"]);
      assert.deepEqual(lines.map((line) => /removed (.*), left/.exec(line)?.[1]).sort(), [
        "disk earlier",
        "disk lost",
        "firewall rule earlier",
        "firewall rule earlier-closed",
        "instance earlier",
      ]);
    }));

  it("leaves the machines of stacks alone whose names are the same as labels", () =>
    withGce(async (api) => {
      const of = (stack: string) => ({ ...labels, stack });
      await makeMachine(api, "plain", { labels: ownLabels(of("prod-v1"), {}) });
      await makeMachine(api, "dotted", { labels: ownLabels(of("prod.v1"), {}) });
      await create(gceLease, { ...lease, labels: of("PROD-V1") });
      const left = () => [...api.project("bakery").instances.keys()];
      assert.deepEqual(left(), ["here-a/plain", "here-a/dotted"]);
      await create(gceLease, { ...lease, labels: of("prod-v1") });
      assert.deepEqual(left(), ["here-a/dotted"]);
      await create(gceLease, { ...lease, labels: of("prod.v1") });
      assert.deepEqual(left(), []);
    }));

  it("removes machine, disk and firewall rule when it is deleted, without delete calls for missing ones", () =>
    withGce(async (api) => {
      const state = await leased(api);
      await gceLease.delete!("", state, watching());
      assert.ok(api.project("bakery").isClean);
      api.calls.length = 0;
      await gceLease.delete!("", state, watching());
      assert.deepEqual(
        api.calls.filter((call) => !call.startsWith("GET")),
        [],
      );
    }));

  it("deletes an unverified image of its machine, and leaves a verified one and somebody else's alone", () =>
    withGce(async (api) => {
      const { images } = api.project("bakery");
      const make = async (changes: object) => {
        const state = await leased(api, "worker-1");
        await create(gceStop, stepOf(state));
        await makeImage(api, state.machine, changes);
        await gceLease.delete!("", state, watching());
        const left = images.has("worker-1");
        images.clear();
        return left;
      };
      assert.equal(await make({}), false);
      assert.equal(await make({ labels: { "ci-images-verified": "now" } }), true);
      assert.equal(await make({ labels: { "ci-images-recipe": "other" } }), true);
    }));

  it("can be deleted, and followed by one of another recipe, while Google is still making its image", () =>
    withGce(async (api) => {
      const { images, disks } = api.project("bakery");
      /** Makes an image like an `up` that was killed meanwhile. */
      const interrupted = async () => {
        const state = await leased(api, "worker-1");
        await create(gceStop, stepOf(state));
        let finish = () => {};
        api.hypervisor.makeImage = () => new Promise((resolve) => (finish = () => resolve(undefined)));
        const making = makeImage(api, state.machine);
        while (!images.has("worker-1")) await new Promise((resolve) => setTimeout(resolve, 2));
        const seen = api.calls.length;
        const isRefused = () => api.calls.slice(seen).some((call) => /^GET .*images|^DELETE .*disks/.test(call));
        const timer = setInterval(() => isRefused() && (clearInterval(timer), setTimeout(finish, 20)), 2);
        return { state, making };
      };
      const ended = await interrupted();
      await gceLease.delete!("", ended.state, watching());
      await ended.making;
      assert.ok(api.project("bakery").isClean);
      const edited = await interrupted();
      await create(gceLease, { ...lease, labels: { ...labels, recipe: "another" } });
      await edited.making;
      assert.equal(disks.size, 0);
      await gceLease.delete!("", edited.state, watching());
      assert.equal(images.size, 0);
    }));

  it("leaves its unverified image alone once another builder was made at a stage before `image`", () =>
    withGce(async (api) => {
      const state = await leased(api, "worker-1");
      await create(gceStop, stepOf(state));
      await makeImage(api, state.machine);
      const open = { ...lease, image: "worker-1", open: true };
      assert.equal(await gceLease.drift!("", state, open), "replace", "it is sealed");
      await create(gceLease, open);
      await gceLease.delete!("", state, watching());
      assert.deepEqual([...api.project("bakery").images.keys()], ["worker-1"]);
    }));

  it("keeps its unverified images at a stage before `image`, but not those of stacks of the same labels", () =>
    withGce(async (api) => {
      const stacks = ["Prod.v1", "prod-v1"];
      const facts = { recipe: labels.recipe, name: "worker" };
      const description = packFacts("worker", facts, { longest: 2048, dispensable: [] });
      const { images } = api.project("bakery");
      const older = (stack: string) => imageName(stack, { ...facts, distribution: "debian12" });
      for (const stack of stacks) {
        const own = { ...labels, stack, role: "image" as const };
        api.addBase("bakery", `image-of-${stacks.indexOf(stack)}`, { description, labels: ownLabels(own) });
        // Older versions: the name alone tells.
        api.addBase("bakery", older(stack), { description, labels: cloudLabels(gceLabels, own) });
      }
      for (const [index, stack] of stacks.entries()) {
        await create(gceLease, { ...lease, labels: { ...labels, stack }, open: true });
        const kept = [...images.values()].filter((image) => image.labels?.["ci-images-kept"] !== undefined);
        assert.deepEqual(
          kept.map(({ name }) => name),
          [`image-of-${index}`, older(stack)],
        );
        for (const image of kept) delete image.labels!["ci-images-kept"];
      }
    }));

  it("is replaced if somebody stopped its machine before sealing, unless people work on it or it will be started", () =>
    withGce(async (api) => {
      const state = await leased(api);
      const drift = (changes: object = {}) => gceLease.drift!("", state, { ...lease, ...changes });
      assert.equal(await drift(), "none");
      await stopInstance(api, api.project("bakery").instances.get(`here-a/${state.machine}`)!);
      assert.equal(await drift(), "replace");
      assert.equal(await drift({ open: true }), "none");
      assert.equal(await drift({ runs: false }), "none", "the official provider starts it");
    }));

  it("keeps its machine's launch settings, even if the stack's settings have changed", () =>
    withGce(async () => {
      const { outputs } = await create(gceLease, { ...lease, madeWith: { ...madeWith, spot: true } });
      assert.deepEqual(outputs.madeWith, { ...madeWith, spot: true });
      assert.ok(!gceLease.contract.replaceOn.includes("madeWith"));
      assert.ok(!("update" in gceLease));
    }));

  it("is replaced if its machine vanished or its sealing was interrupted, but not if the bake can continue", () =>
    withGce(async (api) => {
      const drift = (state: StateOf<typeof Lease>) => gceLease.drift!("", state);
      const state = await leased(api);
      assert.equal(await drift(state), "none");
      assert.equal(await drift({ ...state, deadline: new Date(0).toISOString() }), "replace");
      const unrecorded = await gceLease.drift!("", state, { ...lease, recorded: false });
      assert.equal(unrecorded, "replace", "it would block the machine that will be made");
      await create(gceSealMark, stepOf(state));
      assert.equal(await drift(state), "replace");
      await create(gceStop, stepOf(state));
      assert.equal(await drift(state), "none", "the disk of a cleanly stopped machine is enough");
      assert.equal(
        await gceLease.drift!("", state, { ...lease, open: true }),
        "replace",
        "a builder must allow logins",
      );
      assert.equal(
        await gceLease.drift!("", state, { ...lease, recorded: false }),
        "replace",
        "it would be started again",
      );
      await create(gceDiskDrop, { ...place, machine: state.machine, image: "x" });
      assert.equal(await drift(state), "replace");
    }));
});

describe("the end of a builder on gce", () => {
  it("stops it, deletes the instance and keeps the disk, so that an image can be made of it", () =>
    withGce(async (api) => {
      const stopped: string[] = [];
      api.hypervisor.stop = async ({ name }) => void stopped.push(name);
      const state = await leased(api);
      await assert.rejects(makeImage(api, state.machine), /resourceInUseByAnotherResource/);
      await create(gceStop, stepOf(state));
      const { instances, disks } = api.project("bakery");
      assert.deepEqual([stopped, instances.size], [[state.machine], 0]);
      assert.deepEqual([...disks.keys()], [`here-a/${state.machine}`]);
      await makeImage(api, state.machine);
      await create(gceDiskDrop, { ...place, machine: state.machine, image: "worker-1" });
      assert.equal(disks.size, 0);
    }));

  it("resumes after an interruption", () =>
    withGce(async (api) => {
      const state = await leased(api);
      api.faults.fail({
        matches: /^DELETE .*instances/,
        reason: "RESOURCE_NOT_READY",
        status: 400,
        message: "not yet",
      });
      await assert.rejects(create(gceStop, stepOf(state)), /deleting instance .*not yet \(400, RESOURCE_NOT_READY\)/);
      await create(gceStop, stepOf(state));
      await create(gceStop, stepOf(state));
      assert.equal(api.project("bakery").instances.size, 0);
    }));

  it("is refused, and the lease replaced, if somebody has started the sealed machine again", () =>
    withGce(async (api) => {
      const state = await leased(api);
      api.faults.fail({ matches: /^DELETE .*instances/, reason: "RESOURCE_NOT_READY", status: 400 });
      await assert.rejects(create(gceStop, stepOf(state)));
      api.project("bakery").instances.get(`here-a/${state.machine}`)!.status = "RUNNING";
      await assert.rejects(create(gceStop, stepOf(state)), /started again after sealing/);
      assert.equal(await gceLease.drift!("", state), "replace");
    }));

  it("removes a failed image of the same name, and waits for one in progress", () =>
    withGce(async (api) => {
      const { images } = api.project("bakery");
      const wanted = { project: "bakery", image: "worker-1", instance: "1" };
      const drift = () => gceClearing.drift!("", wanted);
      assert.deepEqual([await drift(), (await create(gceClearing, wanted)).lines], ["none", []]);
      const state = await leased(api);
      await create(gceStop, stepOf(state));
      api.faults.imageEnds.push("FAILED");
      await assert.rejects(makeImage(api, state.machine), /Creating image .* failed/);
      await assert.rejects(makeImage(api, state.machine), /alreadyExists/);
      assert.equal(await drift(), "replace");
      const { lines } = await create(gceClearing, wanted);
      assert.deepEqual(lines, ["removed image worker-1, which was FAILED: left by an earlier bake"]);
      await makeImage(api, state.machine);
      images.get("worker-1")!.status = "PENDING";
      setTimeout(() => (images.get("worker-1")!.status = "READY"), 50);
      assert.match((await create(gceClearing, wanted)).lines[0], /which was READY/);
      await makeImage(api, state.machine, { labels: { "ci-images-verified": "now" } });
      await assert.rejects(create(gceClearing, wanted), /exists and is verified/);
      assert.ok(images.has("worker-1"));
    }));

  it("leaves an image alone that a stack of another Pulumi project has made under the same name", () =>
    withGce(async (api) => {
      const owner = { project: labels.project, stack: labels.stack };
      const wanted = { project: "bakery", image: "worker-1", instance: "1", owner };
      const image = api.addBase("bakery", "worker-1", {
        labels: cloudLabels(gceLabels, { ...labels, project: "other" }),
      });
      await assert.rejects(create(gceClearing, wanted), /image worker-1: belongs to other\/gce/);
      image.labels = cloudLabels(gceLabels, labels);
      await create(gceClearing, wanted);
      assert.ok(api.project("bakery").isClean);
    }));

  it("reports why the API could not make the image if the official provider loses the reason, and only then", () =>
    withGce(async (api) => {
      const wanted = { project: "bakery", image: "worker-1", instance: "1" };
      const state = await leased(api);
      await create(gceStop, stepOf(state));
      const told = async (fail: () => void) => {
        const context = watching();
        const { meanwhile } = await gceClearing.create(wanted, context);
        fail();
        const watched = meanwhile!(context);
        await makeImage(api, state.machine).catch(() => {});
        await watched;
        return context.lines;
      };
      const refused = { matches: /^POST .*\/images$/, status: 400, message: "the disk is busy" };
      const lines = await told(() => api.faults.fail({ ...refused, reason: "RESOURCE_NOT_READY" }));
      assert.deepEqual(lines, ["image worker-1 can't be made: the disk is busy (RESOURCE_NOT_READY)"]);
      assert.deepEqual(await told(() => api.faults.fail({ ...refused, reason: "INTERNAL_ERROR" })), []);
      assert.deepEqual(await told(() => {}), []);
      api.faults.refuse({ matches: /^GET .*\/global\/operations$/, status: 403, reason: "forbidden" });
      assert.ok(
        !("meanwhile" in (await create(gceClearing, { ...wanted, image: "worker-2" }))),
        "a role that may not look",
      );
    }));

  it("is refused if the disk would be deleted with the instance, or if the machine vanished before it was stopped", () =>
    withGce(async (api) => {
      const instance = await makeMachine(api, "hasty", { autoDelete: true });
      await assert.rejects(create(gceStop, { ...place, machine: "hasty", instance }), /autoDelete/);
      assert.equal(api.project("bakery").instances.size, 1);
      const state = await leased(api);
      api.project("bakery").instances.delete(`here-a/${state.machine}`);
      await assert.rejects(create(gceStop, stepOf(state)), /vanished before it was stopped.*run `pulumi up` again/);
    }));

  it("reports the id, the state, the time waited and where to look if the machine does not stop in time", () =>
    withGce(async (api) => {
      const state = await leased(api);
      const { limits } = await import("../../../components/gce/provider/machines.ts");
      const before = limits.stop;
      limits.stop = 0.05;
      let release = () => {};
      api.hypervisor.stop = () => new Promise<void>((resolve) => (release = resolve));
      try {
        await assert.rejects(
          create(gceStop, stepOf(state)),
          (error: Error) =>
            error instanceof UserError &&
            /stopping instance worker-\w+ \(operation operation-\d+\), waited \d+ s/.test(error.message) &&
            /is still RUNNING.*gcloud compute operations describe operation-\d+ --project=bakery --zone=here-a/.test(
              error.message,
            ),
        );
      } finally {
        limits.stop = before;
        release();
      }
    }));

  it("also deletes the disk of a trial machine", () =>
    withGce(async (api) => {
      const instance = await makeMachine(api, "trial", { autoDelete: true });
      await create(gceRetirement, { ...place, machine: "trial", instance });
      assert.ok(api.project("bakery").isClean);
    }));
});

describe("a verified image on gce", () => {
  const promotion = { project: "bakery", image: "worker-1", builtAt: "now", how: "e2-small", report: "" };

  it("is marked by a label and keeps its other labels", () =>
    withGce(async (api) => {
      const image = api.addBase("bakery", "worker-1", { labels: { team: "ci" } });
      // Somebody else changes the labels at the same time.
      api.faults.refuse({ matches: /setLabels$/, status: 412, reason: "conditionNotMet" });
      await create(gcePromotion, promotion);
      assert.deepEqual(Object.keys(image.labels!).sort(), ["ci-images-verified", "team"]);
      assert.match(image.labels!["ci-images-verified"], /^\d{8}t\d{6}z$/);
    }));

  it("can't be promoted if it is gone", () =>
    withGce(async () => {
      await assert.rejects(create(gcePromotion, promotion), /worker-1: is gone/);
    }));

  it("joins, changes and leaves a family without being copied", () =>
    withGce(async (api) => {
      const image = api.addBase("bakery", "worker-1");
      const inputs = { project: "bakery", image: "worker-1", family: "workers" };
      await create(gceFamily, inputs);
      assert.equal(image.family, "workers");
      assert.equal(await gceFamily.drift!("", inputs), "none");
      await gceFamily.update!("", inputs, { ...inputs, family: "others" }, watching());
      assert.equal(image.family, "others");
      assert.equal(await gceFamily.drift!("", inputs), "update");
      await gceFamily.delete!("", { ...inputs, family: "others" }, watching());
      assert.equal(image.family, undefined);
      api.project("bakery").images.clear();
      await gceFamily.delete!("", inputs, watching());
    }));
});
