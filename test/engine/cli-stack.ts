// Every bake verb, for any stack: one builder from `up` to its image, the verbs for images, and machines that somebody
// else stops or deletes meanwhile. Each stack has its own test file, because these tests take minutes.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answersSsh } from "../../provider/kit/ssh-answer.ts";
import type { Connection } from "../../provider/kit/connection.ts";
import { until } from "../test-cloud/until.ts";
import { CloudStack, type Account } from "./cloud-stack.ts";
import { scriptRecipe, tinyRecipe } from "./recipes.ts";
import { doVerb, failVerb, runVerb } from "./verbs.ts";

/** The part of `status --json` that these tests read. */
interface Status {
  cloud: string;
  builders: { state: string; stage?: string; endsAt?: string; cost?: { amount: number; currency: string } }[];
  images: { id: string; upToDate?: boolean }[];
  upToDate?: boolean;
}

/**
 * The tests of one stack.
 * @param name The stack's name in the setting `ci-images:cloud`.
 * @param regionOf Picks the value for `--region` from the account's settings; omitted if the cloud has no regions.
 */
export function verbsOf(
  name: string,
  open: () => Promise<Account>,
  regionOf?: (settings: Account["settings"]) => string,
): void {
  describe(`./ci-images on ${name}`, function () {
    this.timeout(600_000);
    let cloud: Account;
    let stack: CloudStack;

    before(async () => {
      cloud = await open();
      const recipe = scriptRecipe("echo once >>/etc/count");
      stack = await CloudStack.on(cloud, recipe, { keep: 1, pricePerHour: "36 USD" });
    });
    after(async () => {
      try {
        // Undefined where `before` failed.
        await (stack as CloudStack | undefined)?.remove();
        assert.deepEqual(await cloud.leftovers(), []);
      } finally {
        await cloud.close();
      }
    });

    /** The builder's login, from the state. */
    async function login(): Promise<Connection> {
      const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
      return record.outputs as unknown as Connection;
    }

    const status = async () => JSON.parse((await doVerb(stack, "status", "--json")).stdout) as Status;

    it("ssh, down: fail without a builder, and the error names the cure", async () => {
      for (const verb of ["ssh", "down"]) await failVerb(stack, 1, /no builder.*ci-images up/, verb);
    });

    it("up, in the old tool's spelling: starts a builder for the given cloud, region and distribution", async () => {
      const region = regionOf ? [`region:${regionOf(cloud.settings)}`] : [];
      const place = [`cloud:${name}`, ...region, "distribution:debian12"];
      const { stdout } = await doVerb(stack, "--stack", stack.name, ...place, "up");
      assert.match(stdout, /^debian12 {2}\w+@127\.\S+ port \d+ {2}next: \.\/ci-images bootstrap$/m);
      assert.equal((await cloud.machines()).length, 1);
      await stack.expectNoChanges();
    });

    it("up: starts a fresh builder if somebody has deleted the old one", async () => {
      const gone = await cloud.machines();
      await cloud.loseMachine();
      assert.equal((await status()).builders[0].state, "not answering");
      await failVerb(stack, 1, /does not answer at .*ci-images up starts it again, or makes a new one/, "ssh", "true");
      await doVerb(stack, "up");
      const fresh = await cloud.machines();
      assert.equal(fresh.length, 1);
      assert.notDeepEqual(fresh, gone);
      assert.equal((await doVerb(stack, "ssh", "echo here")).stdout, "here");
    });

    it("bootstrap, tests: run the modules once and the tests every time", async () => {
      assert.match((await doVerb(stack, "bootstrap")).stderr, /debian12: run done \(\d+\.\d s/);
      const { stderr } = await doVerb(stack, "tests");
      assert.doesNotMatch(stderr, /debian12: run done/);
      assert.match(stderr, /ok - recipe: the file is there/);
      assert.match((await doVerb(stack, "tests")).stderr, /ok - recipe: the file is there/);
      await stack.expectNoChanges();
    });

    it("ssh: runs a command on the builder and exits with its status", async () => {
      assert.equal((await doVerb(stack, "ssh", "cat /etc/count")).stdout, "once");
      assert.equal((await runVerb(stack, "ssh:exit 7")).exitCode, 7);
    });

    it("status: shows the builder's state, its deadline and its cost so far", async () => {
      const { cloud: named, builders, images, upToDate } = await status();
      assert.equal(named, name);
      const [{ state, stage, endsAt, cost }] = builders;
      assert.deepEqual({ state, stage }, { state: "running", stage: "tested" });
      assert.ok(Date.parse(endsAt!) > Date.now());
      if (name === "local") assert.deepEqual(cost, { amount: 0 });
      else assert.ok(cost!.amount > 0 && cost!.currency === "USD");
      assert.deepEqual(images, []);
      assert.equal(upToDate, false);
    });

    it("down, up: power the same builder off and on again", async () => {
      const machines = await cloud.machines();
      await doVerb(stack, "down");
      await failVerb(stack, 1, /is powered off.*ci-images up/, "ssh", "true");
      await doVerb(stack, "up");
      assert.deepEqual(await cloud.machines(), machines);
      assert.equal((await doVerb(stack, "ssh", "cat /etc/count")).stdout, "once");
    });

    it("up: restarts the same builder if somebody else has stopped it", async () => {
      const machines = await cloud.machines();
      await cloud.stopMachine();
      await doVerb(stack, "up");
      assert.deepEqual(await cloud.machines(), machines);
      assert.equal((await doVerb(stack, "ssh", "cat /etc/count")).stdout, "once", "nothing ran twice");
      await stack.expectNoChanges();
    });

    it("down: accepts a builder that somebody else has already stopped", async () => {
      await cloud.stopMachine();
      await doVerb(stack, "down");
      assert.equal((await status()).builders[0].state, "off");
    });

    it("create-image: makes an image of the builder and leaves nothing of the builder behind", async () => {
      const { stdout } = await doVerb(stack, "create_image");
      const { id } = (await stack.image())!;
      assert.ok(stdout.includes(id), stdout);
      assert.deepEqual(await cloud.images(), [id]);
      assert.deepEqual(await cloud.leftovers([id]), []);
      assert.deepEqual(await stack.bakeRecords(), []);
      await stack.expectNoChanges();
      assert.equal((await status()).upToDate, true);
      assert.match((await doVerb(stack, "status")).stdout, /, up to date/);
    });

    it("export: writes the image's id for ci-platform and for Jenkins", async () => {
      const { id } = (await stack.image())!;
      const file = join(stack.directory, "ci-platform.yaml");
      await writeFile(file, "# ours\njenkins:\n  url: x # here\n");
      const { stdout: difference } = await doVerb(stack, "export", file);
      assert.ok(
        difference.split("\n").some((line) => line.startsWith("+") && line.includes(id)),
        difference,
      );
      const text = await readFile(file, "utf8");
      assert.match(text, /^# ours\njenkins:\n {2}url: x # here\n {2}clouds:\n {4}images:\n/);
      assert.ok(text.includes(`debian12: ${id}`), text);
      const again = await doVerb(stack, "export", file);
      assert.match(again.stderr, /is up to date/);
      if (name === "local") {
        await failVerb(
          stack,
          1,
          /--jcasc.*where Jenkins can't boot workers.*ec2, gce, rackspace, openstack/s,
          "export",
          "--jcasc",
        );
      } else {
        const { stdout } = await doVerb(stack, "export", "--jcasc");
        assert.ok(stdout.includes(id), stdout);
      }
    });

    it("it, diff: bake the edited recipe, and show what changed", async () => {
      await stack.recipe(tinyRecipe("two"));
      await doVerb(stack, "--stack", stack.name, `it:cloud=${name},distribution=debian12`);
      assert.deepEqual(await cloud.machines(), []);
      const { stdout } = await doVerb(stack, "diff");
      assert.match(stdout, /^debian12: [0-9a-f]{8} \(.*\) => [0-9a-f]{8} \(/);
      assert.match(stdout, /module run: removed/);
      assert.match(stdout, /files\[0\]\.content: .*one.* => .*two/);
    });

    it("ssh, destroy: enter and delete the builder of a failed bake; images stay, and destroy needs no valid recipe", async () => {
      await stack.recipe(scriptRecipe("echo the last words; false"));
      await failVerb(stack, 1, /the last words/, "bootstrap");
      assert.equal((await doVerb(stack, "ssh", "cat /etc/tiny")).stdout, "one");
      await stack.recipe("modules: [");
      const images = await cloud.images();
      const { stdout } = await doVerb(stack, "destroy");
      assert.match(stdout, /^kept: /m);
      assert.deepEqual(await cloud.machines(), []);
      assert.deepEqual((await cloud.images()).sort(), images.sort());
      assert.deepEqual(await cloud.leftovers(images), []);
    });

    it("sweep: finds no leftovers in the cloud", async () => {
      assert.equal((await doVerb(stack, "sweep")).stdout, "nothing is left over");
    });

    it("destroy --images: asks first, then removes everything", async () => {
      await failVerb(stack, 1, /pass --yes/, "destroy", "--images");
      assert.equal((await cloud.images()).length, 2);
      await doVerb(stack, "destroy", "--images", "--yes");
      assert.deepEqual(await cloud.leftovers(), []);
    });

    it("sweep: finds an expired builder that is in no state, and removes it with --remove", async () => {
      await stack.recipe(tinyRecipe("two"));
      await stack.settings({ maxLifetime: "90 seconds" });
      await doVerb(stack, "up");
      const builder = await login();
      const { endsAt } = (await status()).builders[0];
      await stack.loseState();
      await until(
        "the builder has shut itself down",
        180,
        async () => Date.now() > Date.parse(endsAt!) && !(await answersSsh(builder, 1000)),
      );
      const { stdout, stderr } = await doVerb(stack, "sweep");
      assert.match(stdout, /^\S.*; would be removed$/m);
      assert.match(stderr, /nothing was removed; to remove them: `\.\/ci-images sweep --remove`/);
      assert.notDeepEqual(await cloud.leftovers(), []);
      assert.match((await doVerb(stack, "sweep", "--remove")).stdout, /^\S.*; removed$/m);
      assert.equal((await doVerb(stack, "sweep")).stdout, "nothing is left over");
      assert.deepEqual(await cloud.leftovers(), []);
    });

    it("doctor: says whether the account is ready, and what is wrong if it is not", async () => {
      await stack.recipe(tinyRecipe("two"));
      await stack.settings({});
      assert.match((await doVerb(stack, "doctor")).stdout, /^ok - settings, recipe and cloud/m);
      await cloud.loseBase();
      await stack.settings({});
      const { stdout, exitCode } = await runVerb(stack, "doctor");
      assert.equal(exitCode, 1);
      assert.match(stdout, /^not ok - settings, recipe and cloud/m);
    });
  });
}
