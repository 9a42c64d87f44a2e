// Layers in whole bakes, including failures and kills.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { openLayerCache, type LayerCache } from "./layered-stack.ts";
import { scriptRecipe } from "./recipes.ts";
import type { TestStack } from "./test-stack.ts";

/** Modules slow enough to be kept as layers. The first one records how often it ran. */
function recipe(run: string[], more: Record<string, unknown> = {}) {
  return scriptRecipe("", {
    modules: ["run", "files", "os_updates", "umask"],
    run: ["echo >>/etc/first; sleep 3", ...run],
    os_updates: { reboot: true },
    ...more,
  });
}

describe("layers in whole bakes", function () {
  this.timeout(600_000);
  let cache: LayerCache;
  const stacks: TestStack[] = [];

  before(async () => {
    cache = await openLayerCache();
  });
  afterEach(async () => {
    for (const stack of stacks.splice(0)) await stack.remove();
    for (const name of await readdir(cache.layers)) await rm(join(cache.layers, name), { recursive: true });
  });
  after(() => cache.close());

  async function newStack(content: object, settings: Record<string, unknown> = {}) {
    const stack = await cache.newStack(content, settings);
    stacks.push(stack);
    return stack;
  }
  async function manifestOf(stack: TestStack) {
    const { path } = (await stack.outputs()).images!.local.debian12;
    return JSON.parse(await readFile(join(path, "manifest.json"), "utf8")) as {
      layer?: { modules: string[]; ran: string[] };
      sealing: { path: string }[];
      interrupted: boolean;
    };
  }
  const layerNames = async () => (await readdir(cache.layers)).sort();

  it("spare an edited recipe the modules before the edit; the preview announces it, and the builder has those modules' results", async () => {
    const stack = await newStack(scriptRecipe("echo >>/etc/run-once; sleep 3"), { stage: "provisioned" });
    await stack.up();
    await cache.settled();
    await stack.recipe(
      scriptRecipe("echo >>/etc/run-once; sleep 3", {
        modules: ["files", "run", "umask"],
        umask: "0027",
        tests: [{ name: "the first modules ran once, on another builder", run: "test $(wc -l </etc/run-once) = 1" }],
      }),
    );
    const preview = await stack.succeed("preview");
    assert.match(preview.output, /debian12: 1 of 3 modules run, 2 from a layer/);
    await stack.settings({ stage: "tested" });
    const { output } = await stack.up();
    assert.match(output, /Builder.* starts from a layer of \S+: files, run/);
    assert.match(output, /ci-images: came with a layer/);
    assert.match(output, /[^t] ok - recipe: the first modules ran once/);
    const steps = (await stack.resources()).map(({ urn, dependencies = [] }) => ({ urn, dependencies }));
    const waitsFor = (step: string, other: string) =>
      steps.find(({ urn }) => urn.endsWith(step))!.dependencies.some((urn) => urn.endsWith(other));
    assert.ok(
      waitsFor("-run", "-settled") && !waitsFor("-run", "-files-layer"),
      "the present modules run side by side",
    );
    assert.ok(waitsFor("-umask", "-files-layer") && waitsFor("-umask", "-run-layer"), "the next one waits for all");
  });

  it("a second stack starts from the first one's layer, reboot included; its manifest names the layer, and sealing removes the same paths", async () => {
    const first = await newStack(recipe(["test ! -e /run/mark; touch /run/mark"], { umask: "0027" }));
    await first.up();
    assert.equal((await manifestOf(first)).layer, undefined);
    const second = await newStack(
      recipe(["test ! -e /run/mark; touch /run/mark"], {
        umask: "0022",
        tests: [{ name: "the first module ran once", run: "test $(wc -l </etc/first) = 1" }],
      }),
      { verify: true },
    );
    await cache.settled();
    await second.up();
    const { layer, sealing } = await manifestOf(second);
    assert.deepEqual(layer, { ...layer, modules: ["run", "files", "os_updates"], ran: ["umask"] });
    assert.deepEqual(
      sealing.map(({ path }) => path),
      (await manifestOf(first)).sealing.map(({ path }) => path),
      "sealing removes the same paths as without a layer",
    );
    await second.up();
    await second.expectNoChanges();
    assert.equal((await stat(cache.layers)).mode & 0o777, 0o700);
  });

  it("a layer that vanishes between preview and up does not fail the bake; `layers: false` uses and keeps none", async () => {
    const stack = await newStack(recipe([]), { stage: "provisioned" });
    await stack.up();
    await cache.settled();
    await stack.recipe(recipe([], { umask: "0027" }));
    assert.match((await stack.succeed("preview")).output, /1 of 4 modules run, 3 from a layer/);
    await stack.settings({ stage: "provisioned", layers: false });
    assert.doesNotMatch((await stack.succeed("preview")).output, /from a layer/);
    await stack.settings({ stage: "provisioned" });
    // The layers are deleted after the program has chosen one and before the builder starts.
    const removeLayers = async () => {
      for (const name of await layerNames()) await rm(join(cache.layers, name), { recursive: true, force: true });
    };
    const running = stack.start("up", "--yes", "--skip-preview");
    let output = "";
    running.all.on("data", (data: Buffer) => {
      output += data.toString();
      if (/BaseImage \S+ creating/.test(output)) void removeLayers();
    });
    assert.equal((await running).exitCode, 0, output);
    assert.match(output, /1 of 4 modules run, 3 from a layer/);
    assert.doesNotMatch(output, /starts from a layer/);
    await stack.recipe(recipe(["true"]));
    await stack.settings({ stage: "provisioned", layers: false });
    await cache.settled();
    const before = await layerNames();
    await stack.up();
    assert.deepEqual(await layerNames(), before);
  });

  it("after a failed module, the resumed builder keeps no more layers, and an edited recipe starts from the earlier one", async () => {
    const stack = await newStack({}, { stage: "provisioned" });
    const modules = {
      slow: "sleep 3",
      breaks: "test -e /var/tmp/tried || { touch /var/tmp/tried; exit 1; }",
      late: "sleep 3",
    };
    await mkdir(join(stack.directory, "modules"));
    for (const [name, script] of Object.entries(modules)) {
      await writeFile(join(stack.directory, `modules/${name}.sh`), `# A module of this test\n${script}\n`);
    }
    const tiny = { name: "tiny", distribution: "debian12", size: "2G" };
    const ofLate = (late: number) => ({ ...tiny, modules: Object.keys(modules), late });
    await stack.recipe(ofLate(1));
    await stack.failingUp();
    await cache.settled();
    const kept = await layerNames();
    assert.equal(kept.length, 1);
    const resumed = await stack.up();
    assert.match(resumed.output, /continues where it failed/);
    assert.deepEqual(await layerNames(), kept);
    await stack.recipe(ofLate(2));
    const edited = await stack.failingUp();
    assert.match(edited.output, /2 of 3 modules run, 1 from a layer/);
    assert.match(edited.output, /starts from a layer of \S+: slow/);
    assert.match(edited.output, /module "?breaks"? failed/);
  });

  it("after pulumi was killed while a layer was written, `up` continues, and the next bake starts from that layer", async () => {
    const much = ["head -c 300M /dev/urandom >/opt/much"];
    const stack = await newStack(recipe(much), { stage: "tested" });
    const running = stack.start("up", "--yes", "--skip-preview");
    let hasEnded = false;
    void running.finally(() => (hasEnded = true));
    const isWriting = async () => (await readdir(cache.layers)).some((name) => /^\.new-[^.]+$/.test(name));
    while (!hasEnded && !(await isWriting())) await delay(5);
    running.kill("SIGKILL");
    assert.equal((await running).signal, "SIGKILL");
    await stack.succeed("cancel", "--yes");
    const resumed = await stack.up();
    assert.match(resumed.output, /continues where it failed/);
    await cache.settled();
    await stack.recipe(recipe(much, { umask: "0027" }));
    const next = await stack.up();
    assert.match(next.output, /3 of 4 modules run, 1 from a layer/);
    assert.match(next.output, /starts from a layer of \S+: run/);
    await cache.settled();
    assert.deepEqual(
      (await readdir(cache.layers)).filter((name) => name.startsWith(".")),
      [],
    );
  });

  it("a layer is reused only for the same secret values, and the verb `layers` lists and removes layers", async () => {
    const withSecret = (value: string) => ({ stage: "provisioned", secrets: { TOKEN: value } });
    const content = scriptRecipe("", {
      modules: ["files", "run"],
      files: [{ path: "/etc/token", content: { secret: "TOKEN" }, keep_secret: true }],
      run: ["sleep 3"],
    });
    const stack = await newStack(content, withSecret("one-secret-value"));
    await stack.up();
    await cache.settled();
    assert.match((await stack.succeed("preview")).output, /no changes|unchanged/);
    const other = await newStack(content, withSecret("another-secret-value"));
    assert.doesNotMatch((await other.succeed("preview")).output, /from a layer/);
    const same = await newStack(content, withSecret("one-secret-value"));
    assert.match((await same.succeed("preview")).output, /0 of 2 modules run, 2 from a layer/);
    const verb = (...words: string[]) =>
      execa("node", ["cli/ci-images.mjs", "layers", ...words], { env: stack.environment });
    assert.match((await verb()).stdout, /debian12-\w+: files, run: \d+ MiB, .*used [^]*\n\d+ MiB of 2048 MiB/);
    assert.match((await verb("--remove")).stdout, /; removed/);
    assert.deepEqual(await layerNames(), []);
  });
});
