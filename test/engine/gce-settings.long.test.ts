// Stack `gce` with settings that change while a machine exists, and with machines that somebody else stops. A running
// bake continues with the settings it started with; a replacement gets the current settings.
import assert from "node:assert/strict";
import { project } from "../test-cloud/gce-cloud.ts";
import { prepare } from "./cloud-life-cycle.ts";
import { scriptRecipe } from "./recipes.ts";
import { openGce } from "./subjects/gce.ts";

/** Every setting that affects a machine, each changed from its first value. */
const changed = {
  ...{ machineType: "e2-small", diskType: "pd-ssd", spot: true, secureBoot: true, networkTags: ["ci"] },
  ...{ serviceAccount: "baker@bakery.iam.gserviceaccount.com", diskSize: 14 },
};

describe("stack gce whose settings change during a bake", function () {
  this.timeout(300_000);
  const made = prepare(openGce, scriptRecipe("date +%N >/etc/once"));

  const settings = (gce: object = {}, more: object = {}) =>
    made.stack.settings({ gce: { project, zone: "here-a", diskSize: 12, ...gce }, ...more });
  const instances = () => [...made.cloud.api.project(project).instances.values()];

  it("keeps the builder unchanged after the settings change", async () => {
    await settings({}, { stage: "provisioned" });
    await made.stack.up();
    const [before] = instances();
    await settings(changed, { stage: "provisioned", maxLifetime: "3 hours", tags: { team: "ci" } });
    await made.stack.expectNoChanges();
    await made.stack.up();
    assert.deepEqual(instances(), [before]);
  });

  it("makes the image of that builder after a failed image, although the settings changed in between", async () => {
    await settings();
    made.cloud.imageFailures[0].fail();
    const { output } = await made.stack.failingUp();
    assert.doesNotMatch(output, /-run creat/, "the module does not run again");
    await settings(changed, { maxLifetime: "3 hours", tags: { team: "ci" } });
    const next = await made.stack.up();
    assert.doesNotMatch(next.output, /-run (creat|replac)/, "the module does not run again");
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
  });

  it("keeps an unverified image with the user's guest OS features, also after a refresh", async () => {
    const features = { guestOsFeatures: ["SEV_CAPABLE"] };
    await made.stack.recipe(scriptRecipe("date +%N >/etc/twice"));
    await settings(features, { stage: "provisioned" });
    await made.stack.up();
    await settings(features);
    made.cloud.api.faults.refuse({
      matches: /^POST .*\/instances$/,
      status: 403,
      reason: "forbidden",
      message: "no trial",
    });
    assert.match((await made.stack.failingUp()).output, /no trial/);
    const isFresh = ({ guestOsFeatures }: { guestOsFeatures: { type: string }[] }) =>
      guestOsFeatures.some(({ type }) => type === "SEV_CAPABLE");
    const fresh = () => [...made.cloud.api.project(project).images.values()].filter(isFresh);
    const [before] = fresh();
    assert.ok(before.guestOsFeatures.length > 1, "it has the base image's features too");
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.up();
    assert.deepEqual(
      fresh().map(({ id }) => id),
      [before.id],
    );
    assert.equal((await made.stack.image())!.id, before.selfLink);
  });

  it("changes nothing on the verified image after a refresh", async () => {
    await made.stack.up();
    await made.stack.expectNoChanges();
    const [before] = made.cloud.api.project(project).images.values();
    const labels = { ...before.labels };
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /updat(ed|ing) \(|Image \S+ updat/);
    assert.deepEqual(before.labels, labels);
    assert.ok(!Object.values(labels).includes(""), JSON.stringify(labels));
  });

  it("replaces a vanished builder with one that has the current settings, here in another zone", async () => {
    await settings();
    await made.stack.recipe(scriptRecipe("test -e /etc/never"));
    await made.stack.failingUp();
    await made.cloud.loseMachine();
    await settings({ ...changed, zone: "here-b" }, { tags: { team: "ci" } });
    await made.stack.failingUp();
    const [instance, ...others] = instances();
    assert.deepEqual(others, []);
    assert.match(instance.zone, /here-b$/);
    assert.match(instance.machineType, /e2-small$/);
    assert.equal(instance.scheduling!.provisioningModel, "SPOT");
    assert.equal(instance.labels!.team, "ci");
    assert.deepEqual(instance.tags.items.slice(1), ["ci"]);
  });

  it("replaces a builder that somebody has stopped, without waiting for it", async () => {
    const [before] = instances();
    await made.cloud.stopMachine();
    const { output } = await made.stack.failingUp();
    assert.match(output, /-lease replac/);
    const [after, ...others] = instances();
    assert.deepEqual(others, []);
    assert.notEqual(after.name, before.name);
    assert.equal(after.status, "RUNNING");
  });

  it("says at once that a builder at stage `builder` was stopped, and how to start it again", async () => {
    await settings({}, { stage: "builder" });
    await made.stack.up();
    await made.cloud.stopMachine();
    const { output } = await made.stack.failingUp();
    assert.match(output, /the machine is TERMINATED/);
    assert.match(output, /run `\.\/ci-images up`.* to start it again/);
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.up();
    assert.deepEqual(
      instances().map(({ status }) => status),
      ["RUNNING"],
    );
  });
});
