// Every verb of a bake on the test cloud, stack by stack: one builder from `up` to an image, and what is done with images.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CloudStack, type Subject } from "./cloud-stack.ts";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";
import { doVerb, failVerb, runVerb } from "./verbs.ts";

/** What `status --json` prints, as far as these tests look. */
interface Status {
  cloud: string;
  builders: { state: string; stage?: string; endsAt?: string; cost?: { amount: number; currency: string } }[];
  images: { id: string; upToDate?: boolean }[];
  upToDate?: boolean;
}

const clouds: [name: string, open: () => Promise<Subject>, region: (settings: Subject["settings"]) => string][] = [
  ["ec2", openEc2, ({ ec2 }) => (ec2 as { region: string }).region],
  ["gce", openGce, ({ gce }) => (gce as { zone: string }).zone],
  ["rackspace", openRackspace, ({ rackspace }) => (rackspace as { regions: string[] }).regions[0]],
];

for (const [name, open, regionOf] of clouds) {
  describe(`npx ci-images on ${name}`, function () {
    this.timeout(300_000);
    let cloud: Subject;
    let stack: CloudStack;

    before(async () => {
      cloud = await open();
      const recipe = scriptRecipe("echo once >>/etc/count");
      stack = await CloudStack.on(cloud, recipe, { keep: 1, pricePerHour: "36 USD" });
    });
    after(async () => {
      await stack.remove();
      assert.deepEqual(await cloud.leftovers(), []);
      await cloud.close();
    });

    const status = async () => JSON.parse((await doVerb(stack, "status", "--json")).stdout) as Status;

    it("up, in the old tool's spelling: makes a builder of that place and distribution", async () => {
      const place = [`cloud:${name}`, `region:${regionOf(cloud.settings)}`, "distribution:debian12"];
      const { stdout } = await doVerb(stack, "--stack", stack.name, ...place, "up");
      assert.match(stdout, /^debian12 {2}\w+@127\.\S+ port \d+ {2}next: ci-images bootstrap$/m);
      assert.equal((await cloud.machines()).length, 1);
    });

    it("bootstrap, tests: run the modules once, and the tests each time", async () => {
      assert.match((await doVerb(stack, "bootstrap")).stderr, /debian12: run done \(\d+\.\d s/);
      const { stderr } = await doVerb(stack, "tests");
      assert.doesNotMatch(stderr, /debian12: run done/);
      assert.match(stderr, /ok - recipe: the file is there/);
    });

    it("ssh: logs in to the builder, and ends with the command's exit status", async () => {
      assert.equal((await doVerb(stack, "ssh", "cat /etc/count")).stdout, "once");
      assert.equal((await runVerb(stack, "ssh:exit 7")).exitCode, 7);
    });

    it("status: tells the builder's state, when it ends itself, and what it has cost", async () => {
      const { cloud: named, builders, images, upToDate } = await status();
      assert.equal(named, name);
      const [{ state, stage, endsAt, cost }] = builders;
      assert.deepEqual({ state, stage }, { state: "running", stage: "tested" });
      assert.ok(Date.parse(endsAt!) > Date.now());
      assert.ok(cost!.amount > 0 && cost!.currency === "USD");
      assert.deepEqual(images, []);
      assert.equal(upToDate, false);
    });

    it("down, up: power the same builder off and on", async () => {
      const machines = await cloud.machines();
      await doVerb(stack, "down");
      await failVerb(stack, 1, /is powered off.*ci-images up/, "ssh", "true");
      await doVerb(stack, "up");
      assert.deepEqual(await cloud.machines(), machines);
      assert.equal((await doVerb(stack, "ssh", "cat /etc/count")).stdout, "once");
    });

    it("create-image: makes an image of it, and nothing of the builder is left", async () => {
      const { stdout } = await doVerb(stack, "create_image");
      const { id } = (await stack.image())!;
      assert.ok(stdout.includes(id), stdout);
      assert.deepEqual(await cloud.images(), [id]);
      assert.deepEqual(await cloud.leftovers([id]), []);
      assert.deepEqual(await stack.bakeRecords(), []);
      await stack.expectNoChanges();
      assert.equal((await status()).upToDate, true);
    });

    it("export: writes the image's id for ci-platform and for Jenkins", async () => {
      const { id } = (await stack.image())!;
      const file = join(stack.directory, "ci-platform.yaml");
      await writeFile(file, "# ours\njenkins:\n  url: x # here\n");
      await doVerb(stack, "export", file);
      const text = await readFile(file, "utf8");
      assert.match(text, /^# ours\njenkins:\n {2}url: x # here\n {2}clouds:\n {4}images:\n/);
      assert.ok(text.includes(`debian12: ${id}`), text);
      const again = await doVerb(stack, "export", file);
      assert.match(again.stderr, /has these images already/);
      const { stdout } = await doVerb(stack, "export", "--jcasc");
      assert.ok(stdout.includes(id), stdout);
    });

    it("it, diff: bake what was edited, and tell what is different", async () => {
      await stack.recipe(tinyRecipe("two"));
      await doVerb(stack, "--stack", stack.name, `it:cloud=${name},distribution=debian12`);
      assert.deepEqual(await cloud.machines(), []);
      const { stdout } = await doVerb(stack, "diff");
      assert.match(stdout, /^debian12: [0-9a-f]{8} \(.*\) => [0-9a-f]{8} \(/);
      assert.match(stdout, /module run: removed/);
      assert.match(stdout, /module files: settings changed/);
    });

    it("destroy: drops the builder of a bake that failed, keeps the images, and does not read the recipe", async () => {
      await stack.recipe(scriptRecipe("echo the last words; false"));
      await failVerb(stack, 1, /the last words/, "bootstrap");
      await stack.recipe("modules: [");
      const images = await cloud.images();
      const { stdout } = await doVerb(stack, "destroy");
      assert.match(stdout, /^kept: /m);
      assert.deepEqual(await cloud.machines(), []);
      assert.deepEqual((await cloud.images()).sort(), images.sort());
      assert.deepEqual(await cloud.leftovers(images), []);
    });

    it("sweep: asks the cloud, and finds nothing left over", async () => {
      assert.equal((await doVerb(stack, "sweep")).stdout, "nothing is left over");
    });

    it("doctor: tells whether this account is ready, and what is wrong otherwise", async () => {
      await stack.recipe(tinyRecipe("two"));
      await stack.settings({});
      assert.match((await doVerb(stack, "doctor")).stdout, /^ok - settings, recipe and cloud/m);
      await cloud.loseBase();
      const { stdout, exitCode } = await runVerb(stack, "doctor");
      assert.equal(exitCode, 1);
      assert.match(stdout, /^not ok - settings, recipe and cloud/m);
    });

    it("destroy --images: removes everything, and asks before", async () => {
      await failVerb(stack, 1, /say --yes/, "destroy", "--images");
      assert.equal((await cloud.images()).length, 2);
      await doVerb(stack, "destroy", "--images", "--yes");
      assert.deepEqual(await cloud.leftovers(), []);
    });
  });
}
