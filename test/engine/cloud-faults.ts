// What a cloud does to a bake that it should not, and what becomes of it: written once, run for each stack.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { Subject } from "./cloud-stack.ts";
import { scriptRecipe } from "./recipes.ts";

/** A test cloud that fails on demand. */
export interface FallibleSubject extends Subject {
  /** The type of the official resource of a machine. */
  machineType: string;
  /**
   * Leaves no room for another machine. @returns what makes room again, what is to be said until then, and whether that can be said
   * before anything is made.
   */
  fillQuota(): { free: () => void; complaint: RegExp; isForeseen: boolean };
  /** Every call takes so many milliseconds longer, and some of those that follow are refused because they are too many. */
  strain(latency: number): void;
  /** How the next image can end that comes to nothing, by what is said of it. */
  imageFailures: { complaint: RegExp; fail: () => void }[];
}

/** Faults in the order in which a bake meets them. */
export function faults(open: () => Promise<FallibleSubject>): void {
  const made = prepare(open, scriptRecipe("echo the builder is $((40 + 2)); sleep 4"));

  it("is refused for want of quota, with its name and the cure, and leaves no machine", async () => {
    const { free, complaint, isForeseen } = made.cloud.fillQuota();
    const { output } = await made.stack.failingUp();
    free();
    assert.match(output, complaint);
    if (isForeseen) assert.match(output, /\.\/ci-images sweep/);
    assert.deepEqual(isForeseen ? await made.cloud.leftovers() : await made.cloud.machines(), []);
  });

  it("says so when the builder vanishes while a module runs; a refresh sees that it is gone", async () => {
    const { output, exitCode } = await made.stack.upWhile(/the builder is 42/, () => made.cloud.loseMachine());
    assert.notEqual(exitCode, 0);
    assert.match(output, /module "?run"?|connection/i);
    assert.match(output, /`?pulumi up`?/);
    assert.deepEqual(await made.cloud.images(), []);
    assert.equal(await made.stack.image(), undefined);
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    const machines = (await made.stack.resources()).filter(({ type }) => type === made.cloud.machineType);
    assert.deepEqual(machines, []);
  });

  it("begins with a fresh builder then, and does without a refresh when that one vanishes, too", async () => {
    const { output, exitCode } = await made.stack.upWhile(/the builder is 42/, () => made.cloud.loseMachine());
    assert.notEqual(exitCode, 0);
    assert.match(output, /-files (created|replaced)/, "nothing of the one that vanished is taken for done");
  });

  it("is killed by kill -9 while the machine is made, and bakes then although the API is slow and calls are too many", async () => {
    assert.ok(await made.stack.killedAt(/-builder creating/));
    made.cloud.strain(100);
    await made.stack.up();
    made.cloud.strain(0);
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
  });

  it("makes another image after each that came to nothing, also when the state was refreshed in between", async function () {
    // The official gcp plugin takes over three minutes to give up RESOURCE_NOT_READY.
    this.timeout(900_000);
    const before = await made.stack.image();
    await made.stack.recipe(scriptRecipe("true"));
    for (const { complaint, fail } of made.cloud.imageFailures) {
      fail();
      const { output } = await made.stack.failingUp();
      assert.match(output, complaint);
      assert.deepEqual(await made.stack.image(), before);
    }
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.up();
    const image = await made.stack.image();
    assert.notEqual(image!.recipe, before!.recipe);
    await made.stack.up();
    assert.deepEqual(await made.cloud.leftovers([image!.id]), []);
    await made.stack.expectNoChanges();
  });
}
