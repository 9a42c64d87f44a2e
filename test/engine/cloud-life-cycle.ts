// The promises that hold on every cloud, on the real engine with real machines. Written once, run for each stack.
import assert from "node:assert/strict";
import { CloudStack, type Account, type Subject } from "./cloud-stack.ts";
import { closeLogins, scriptRecipe } from "./recipes.ts";

/** Fails the first time it runs on a machine. */
const failsOnce =
  "if [ -e /opt/second-time ]; then rm /opt/second-time; else touch /opt/second-time; echo not yet; false; fi";

/** The recipe of these tests. */
export function recipe(script = failsOnce): Record<string, unknown> {
  return scriptRecipe(script);
}

/**
 * Registers hooks that open a cloud and a stack for the tests that follow, and that check in the end that both are
 * empty.
 * @param first The stack's first recipe.
 * @param settings Added to the settings that every stack on that cloud needs.
 * @returns an object that has the cloud and the stack once the tests run.
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
      assert.deepEqual(await made.cloud.leftovers(), [], "a destroyed stack leaves nothing behind");
    } finally {
      await made.cloud.close();
    }
  });
  return made;
}

/** From the first preview to a finished image, with failures on the way. */
export function lifeCycle(open: () => Promise<Subject>): void {
  const made = prepare(open, recipe());

  it("a preview says what will be baked, and creates nothing", async () => {
    const { output } = await made.stack.succeed("preview");
    assert.match(output, /debian12: will be baked: no image of recipe [0-9a-f]{8} yet/);
    assert.deepEqual(await made.cloud.leftovers(), []);
  });

  it("a failed module keeps the builder and publishes nothing", async () => {
    const { output } = await made.stack.failingUp();
    assert.match(output, /module "?run"?/);
    assert.match(output, /not yet/);
    assert.equal((await made.cloud.machines()).length, 1);
    assert.deepEqual(await made.cloud.images(), []);
    assert.equal(await made.stack.image(), undefined);
  });

  it("the next `up` continues on the same builder, and reports an image that ended in an error", async () => {
    const [builder] = await made.cloud.machines();
    made.cloud.failNextImage();
    const { output } = await made.stack.failingUp();
    assert.match(output, /continues where it failed/);
    assert.doesNotMatch(output, /-files creat/, "the finished module does not run again");
    assert.match(output, /failed|error|killed|gone/i);
    assert.deepEqual(await made.cloud.machines(), made.cloud.retiresFirst ? [] : [builder]);
    assert.equal(await made.stack.image(), undefined);
  });

  it("after kill -9 while the image is made, the next `up` leaves one verified image and no machine", async () => {
    assert.ok(await made.stack.killedAt(/-stop creat|Image \S+ creat|FromInstance \S+ creat/));
    await made.stack.up();
    const image = await made.stack.image();
    assert.ok(image);
    assert.deepEqual(await made.cloud.images(), [image.id]);
    assert.deepEqual(await made.cloud.machines(), []);
  });

  it("the second `up` drops the bake's records; after that nothing changes, even with a refresh", async () => {
    const before = await made.stack.image();
    await made.stack.up();
    assert.deepEqual(await made.stack.bakeRecords(), []);
    assert.deepEqual(await made.stack.image(), before);
    await made.stack.expectNoChanges();
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers([before!.id]), []);
  });

  it("a preview says why an edited recipe will be baked again", async () => {
    await made.stack.recipe(recipe("true"));
    const { output } = await made.stack.succeed("preview");
    assert.match(output, /debian12: will be baked: recipe [0-9a-f]{8} => [0-9a-f]{8}/);
    assert.match(output, /run\[0\]: ".*" => "true"/);
  });
}

/** Mishaps of a stack that has an image: a refused deletion, a lost state, a deleted image, a missing base. */
export function mishaps(open: () => Promise<Subject>): void {
  const made = prepare(open, recipe(closeLogins));

  it("one `up` bakes, verifies and deletes its machines, even if a module closes ordinary logins", async () => {
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

  it("if the cloud refuses to delete the builder, the outputs keep the last good image, and the next `up` deletes it", async () => {
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
    assert.deepEqual(await made.cloud.leftovers([image!.id]), [], "only the newest generation is left");
  });

  it("after the state was lost, `up` adopts the existing image", async () => {
    const before = await made.stack.image();
    await made.stack.loseState();
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /will be baked/);
    assert.deepEqual(await made.stack.image(), before);
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers([before!.id]), []);
  });

  it("after somebody deleted the image, `up` bakes it again", async () => {
    const before = await made.stack.image();
    await made.cloud.deleteImage(before!.id);
    const { output } = await made.stack.up();
    assert.match(output, /will be baked/);
    const image = await made.stack.image();
    // Comparing ids is not enough: on gce the id is a name derived from the recipe, so it stays the same.
    assert.notDeepEqual(image, before);
    await made.stack.up();
    assert.deepEqual(await made.cloud.leftovers([image!.id]), []);
  });

  it("if the base image is gone, the error says what was searched for and lists similar names", async () => {
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
