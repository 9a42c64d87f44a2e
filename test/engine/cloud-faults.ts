// Bakes on a cloud that misbehaves. Written once, run for each stack.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { Subject } from "./cloud-stack.ts";
import { scriptRecipe } from "./recipes.ts";

/** A test cloud that fails on demand. */
export interface FallibleSubject extends Subject {
  /** The type token of the official machine resource. */
  machineType: string;
  /**
   * Sets the quota so low that no machine fits.
   * @returns `free` lifts the limit, `complaint` matches the expected error, `isForeseen` is true if the error comes
   * before anything is created.
   */
  fillQuota(): { free: () => void; complaint: RegExp; isForeseen: boolean };
  /** Delays every call by `latency` milliseconds; unless it is 0, some of the next calls are throttled. */
  strain(latency: number): void;
  /** Ways in which the next image can fail, each with the expected error. */
  imageFailures: { complaint: RegExp; fail: () => void }[];
}

/** Faults in the order in which a bake meets them. */
export function faults(open: () => Promise<FallibleSubject>): void {
  const made = prepare(open, scriptRecipe("echo the builder is $((40 + 2)); sleep 4"));

  it("a bake over quota fails with the quota's name and leaves no machine", async () => {
    const { free, complaint, isForeseen } = made.cloud.fillQuota();
    const { output } = await made.stack.failingUp();
    free();
    assert.match(output, complaint);
    if (isForeseen) assert.match(output, /\.\/ci-images sweep/);
    assert.deepEqual(isForeseen ? await made.cloud.leftovers() : await made.cloud.machines(), []);
  });

  it("the bake fails if the builder vanishes while a module runs, and a refresh drops that builder", async () => {
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

  it("the next bake starts from a fresh builder, and needs no refresh if that one vanishes too", async () => {
    const { output, exitCode } = await made.stack.upWhile(/the builder is 42/, () => made.cloud.loseMachine());
    assert.notEqual(exitCode, 0);
    assert.match(output, /-files (created|replaced)/, "the modules run again on the fresh builder");
  });

  it("after kill -9 during the machine's creation, `up` bakes although the API is slow and throttles", async () => {
    assert.ok(await made.stack.killedAt(/-builder creating/));
    made.cloud.strain(100);
    await made.stack.up();
    made.cloud.strain(0);
    const image = await made.stack.image();
    assert.deepEqual(await made.cloud.images(), [image!.id]);
    assert.deepEqual(await made.cloud.machines(), []);
  });

  it("after failed images, also with a refresh in between, `up` makes another image", async function () {
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
