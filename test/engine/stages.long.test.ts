// The stack settings `stage` and `power` on the real engine with real machines: a bake in stages on one builder.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findMachine } from "../../components/local/provider/machine/machines.ts";
import { scriptRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

/** A recipe whose tests fail if its module has run twice on one builder. */
function countingRecipe(word = "one") {
  const tests = [{ name: "the module ran once", run: "test $(wc -l </etc/count) = 1" }];
  return scriptRecipe(`echo ${word} >>/etc/count`, { tests });
}

describe("a bake in stages", function () {
  this.timeout(600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(countingRecipe());
  });
  after(() => stack.remove());

  /** Name and state of the stack's only machine. */
  async function machine(): Promise<{ name: string; state: string }> {
    const names = await stack.machines();
    assert.equal(names.length, 1, `one machine: ${names.join(", ")}`);
    const { name, state } = (await findMachine(names[0]))!;
    return { name, state };
  }

  /** Names of the steps in the state: `run`, `tests`, ... */
  async function steps(): Promise<string[]> {
    const commands = (await stack.resources()).filter(({ type }) => type === "command:remote:Command");
    return commands.map(({ urn }) => urn.split("-").at(-1)!).sort();
  }

  async function upTo(settings: Record<string, unknown>): Promise<string> {
    await stack.settings(settings);
    return (await stack.up()).output;
  }

  it("takes one builder through start, provisioning, power off and on, tests and image, and runs each step once", async () => {
    const started = await upTo({ stage: "builder" });
    assert.match(started, /debian12: stage builder: a builder of recipe [0-9a-f]{8} .* will be started/);
    const { name } = await machine();
    assert.deepEqual(await steps(), []);
    await stack.expectNoChanges();

    await upTo({ stage: "provisioned" });
    assert.deepEqual(await steps(), ["files", "run", "settled"]);
    assert.deepEqual(await machine(), { name, state: "running" });

    await upTo({ stage: "image", power: "off" });
    assert.deepEqual(await machine(), { name, state: "stopped" });
    assert.deepEqual(await steps(), ["files", "run", "settled"], "no other step runs, and none is forgotten");
    await stack.expectNoChanges();
    await stack.succeed("refresh", "--yes", "--skip-preview");
    await stack.expectNoChanges();

    await upTo({ stage: "builder" });
    assert.deepEqual(await machine(), { name, state: "running" });
    assert.deepEqual(await steps(), ["files", "run", "settled"], "finished steps stay in the state");

    const tested = await upTo({ stage: "tested" });
    assert.match(tested, /ok - recipe: the module ran once/);
    assert.deepEqual((await stack.outputs()).images?.local ?? {}, {});

    await upTo({});
    const { path } = (await stack.outputs()).images!.local.debian12;
    const manifest = JSON.parse(await readFile(join(path, "manifest.json"), "utf8")) as { machine: string };
    assert.equal(manifest.machine, name, "the image is made from the first builder");
    assert.deepEqual(await stack.machines(), []);
  });

  it("can start another builder beside a finished image; the outputs keep that image, also after an edit of the recipe", async () => {
    const { recipe } = (await stack.outputs()).images!.local.debian12;
    await upTo({ stage: "provisioned" });
    const { name } = await machine();
    assert.equal((await stack.outputs()).images!.local.debian12.recipe, recipe);

    await stack.recipe(countingRecipe("two"));
    await stack.settings({ stage: "provisioned", power: "off" });
    const refused = await stack.failingUp();
    assert.match(refused.output, /ci-images:power: off, but the builder of debian12 was made from a different recipe/);
    assert.deepEqual(await machine(), { name, state: "running" });

    await upTo({ stage: "builder", keep: 0 });
    assert.notEqual((await machine()).name, name, "the builder is fresh");
    assert.deepEqual(await steps(), []);
    assert.equal((await stack.outputs()).images!.local.debian12.recipe, recipe);
    assert.equal((await stack.imageFolders()).length, 1, "the image stays");
  });

  it("can power a builder with a failed module off and on; finished steps stay, and no other step runs", async () => {
    await stack.recipe(scriptRecipe("test -e /etc/not-yet"));
    await stack.settings({ stage: "provisioned" });
    await stack.failingUp();
    const { name } = await machine();
    await upTo({ stage: "provisioned", power: "off" });
    assert.deepEqual(await machine(), { name, state: "stopped" });
    assert.deepEqual(await steps(), ["files", "settled"]);
    await upTo({ stage: "builder" });
    assert.deepEqual(await machine(), { name, state: "running" });
    assert.deepEqual(await steps(), ["files", "settled"]);
    const builders = (await stack.outputs()) as { builders?: Record<string, { stage: string }> };
    assert.equal(builders.builders?.debian12.stage, "builder");
  });

  it("deletes its builder at stage `none` and keeps the image", async () => {
    await upTo({ stage: "none" });
    assert.deepEqual(await stack.machines(), []);
    assert.deepEqual(await stack.bakeRecords(), []);
    assert.equal((await stack.imageFolders()).length, 1);
    await stack.expectNoChanges();
    await upTo({ stage: "builder" });
  });

  it("corrects the power state of a machine that somebody else stopped or started", async () => {
    const { stopMachine, startMachine } = await import("../../components/local/provider/machine/machines.ts");
    const { name } = await machine();
    await stopMachine(name);
    await stack.up();
    assert.deepEqual(await machine(), { name, state: "running" });
    await upTo({ stage: "builder", power: "off" });
    await startMachine(name);
    await stack.succeed("refresh", "--yes", "--skip-preview");
    await stack.up();
    assert.deepEqual(await machine(), { name, state: "stopped" });
  });

  it("refuses power `off` when there is no builder", async () => {
    await stack.succeed("destroy", "--yes", "--skip-preview");
    await stack.settings({ power: "off" });
    const { output } = await stack.failingUp();
    assert.match(output, /ci-images:power: off, but debian12 has no builder/);
    assert.deepEqual(await stack.leftovers(), []);
  });
});
