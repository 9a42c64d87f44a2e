// What every cloud promises, on the real engine, with real machines: written once, run for each stack.
import assert from "node:assert/strict";
import { CloudStack, type Account, type Subject } from "./cloud-stack.ts";
import { closeLogins, scriptRecipe } from "./recipes.ts";

/** Fails the first time that it runs on a machine. */
const failsOnce =
  "if [ -e /opt/second-time ]; then rm /opt/second-time; else touch /opt/second-time; echo not yet; false; fi";

/** The recipe of these tests. */
export function recipe(script = failsOnce): Record<string, unknown> {
  return scriptRecipe(script);
}

/**
 * A cloud and a stack on it for the tests that follow; in the end both must be empty.
 * @param first The stack's first recipe.
 * @param settings Over those that every stack on that cloud needs.
 */
export function prepare<S extends Account>(
  open: () => Promise<S>,
  first: Record<string, unknown>,
  settings: Record<string, unknown> = {},
): { cloud: S; stack: CloudStack } {
  const made = {} as { cloud: S; stack: CloudStack };
  before(async () => {
    made.cloud = await open();
    made.stack = await CloudStack.on(made.cloud, first, settings);
  });
  after(async () => {
    try {
      // Undefined where `before` failed.
      await (made.stack as CloudStack | undefined)?.remove();
      assert.deepEqual(await made.cloud.leftovers(), [], "nothing is left when the stack has been destroyed");
    } finally {
      await made.cloud.close();
    }
  });
  return made;
}

/** From the first preview to an image that needs nothing more, with everything in between that can fail. */
export function lifeCycle(open: () => Promise<Subject>): void {
  const made = prepare(open, recipe());

  it("says what will be baked in a preview, and makes nothing", async () => {
    const { output } = await made.stack.succeed("preview");
    assert.match(output, /debian12: will be baked: no image of recipe [0-9a-f]{8} yet/);
    assert.deepEqual(await made.cloud.leftovers(), []);
  });

  it("keeps the builder when a module fails, and publishes nothing", async () => {
    const { output } = await made.stack.failingUp();
    assert.match(output, /module "?run"?/);
    assert.match(output, /not yet/);
    assert.equal((await made.cloud.machines()).length, 1);
    assert.deepEqual(await made.cloud.images(), []);
    assert.equal(await made.stack.image(), undefined);
  });

  it("goes on with the same builder, and says what became of an image that ended in an error", async () => {
    const [builder] = await made.cloud.machines();
    made.cloud.failNextImage();
    const { output } = await made.stack.failingUp();
    assert.match(output, /continues where it failed/);
    assert.doesNotMatch(output, /-files creat/, "the module before is not run again");
    assert.match(output, /failed|error|killed|gone/i);
    assert.deepEqual(await made.cloud.machines(), made.cloud.retiresFirst ? [] : [builder]);
    assert.equal(await made.stack.image(), undefined);
  });

  it("is killed by kill -9 while it makes the image, and has one proven image and no machine after the next `up`", async () => {
    assert.ok(await made.stack.killedAt(/-stop creat|Image \S+ creat|FromInstance \S+ creat/));
    await made.stack.up();
    const image = await made.stack.image();
    assert.ok(image);
    assert.deepEqual(await made.cloud.images(), [image.id]);
    assert.deepEqual(await made.cloud.machines(), []);
  });

  it("drops the records of the bake with the second `up`; then nothing changes, also after a refresh", async () => {
    const before = await made.stack.image();
    await made.stack.up();
    assert.deepEqual(await made.stack.bakeRecords(), []);
    assert.deepEqual(await made.stack.image(), before);
    await made.stack.expectNoChanges();
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers([before!.id]), []);
  });

  it("says in a preview why an edited recipe is baked anew", async () => {
    await made.stack.recipe(recipe("true"));
    const { output } = await made.stack.succeed("preview");
    assert.match(output, /debian12: will be baked: recipe [0-9a-f]{8} => [0-9a-f]{8}/);
    assert.match(output, /run\[0\]: ".*" => "true"/);
  });
}

/** What happens to a stack whose image is there. */
export function mishaps(open: () => Promise<Subject>): void {
  const made = prepare(open, recipe(closeLogins));

  it("bakes, verifies and ends its machines in one `up`, also where a module closes ordinary logins", async () => {
    const { output } = await made.stack.up();
    assert.match(
      output,
      /(debian|admin) can't log in at port 2222, which the recipe or the base has set: allowusers nobody/,
    );
    assert.doesNotMatch(output, /is reached by its ordinary SSH/);
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
  });

  it("keeps the last good image in the outputs when ending the builder is refused, and ends it with the next `up`", async () => {
    const before = await made.stack.image();
    await made.stack.recipe(recipe("echo two"));
    made.cloud.refuseNextRetirement();
    await made.stack.failingUp();
    assert.deepEqual(await made.stack.image(), before);
    await made.stack.up();
    const image = await made.stack.image();
    assert.notEqual(image!.id, before!.id);
    await made.stack.up();
    assert.deepEqual(await made.stack.bakeRecords(), []);
    assert.deepEqual(await made.cloud.leftovers([image!.id]), [], "one generation is kept, and nothing else");
  });

  it("takes the image back when the state was lost", async () => {
    const before = await made.stack.image();
    await made.stack.loseState();
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /will be baked/);
    assert.deepEqual(await made.stack.image(), before);
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers([before!.id]), []);
  });

  it("bakes an image anew that somebody deleted", async () => {
    const before = await made.stack.image();
    await made.cloud.deleteImage(before!.id);
    const { output } = await made.stack.up();
    assert.match(output, /will be baked/);
    const image = await made.stack.image();
    // Not the id alone: on gce it is a name that carries the recipe.
    assert.notDeepEqual(image, before);
    await made.stack.up();
    assert.deepEqual(await made.cloud.leftovers([image!.id]), []);
  });

  it("says what was looked for when the base image is gone, and which near names there are", async () => {
    const others = (await made.cloud.loseBase()) ?? [];
    await made.stack.recipe(recipe("echo other"));
    const { output, exitCode } = await made.stack.run("preview");
    assert.notEqual(exitCode, 0);
    assert.match(output, /base image/);
    for (const name of others) assert.ok(output.includes(name), `${name} in:\n${output}`);
    assert.doesNotMatch(output, / {4}at .*\.[jt]s:\d+/, "no stack trace");
    await made.stack.recipe(recipe("echo third"));
  });
}
