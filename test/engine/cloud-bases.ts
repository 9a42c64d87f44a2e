// Base images that are published while a stack has an image of the one before: the same on every cloud that looks them up.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";

/** A test cloud whose base images can be renewed. */
export interface RenewableSubject extends Subject {
  /** Publishes a newer base image. @returns what people know it by. */
  renewBase(): Promise<string>;
}

/** What becomes of an image when its base image is not the newest any more. */
export function newerBase(open: () => Promise<RenewableSubject>): void {
  const made = prepare(open, tinyRecipe(), { verify: false });

  it("is a reason to bake, which the preview tells, unless the stack stays with the one that it has", async () => {
    await made.stack.up();
    await made.stack.up();
    await made.stack.expectNoChanges();
    const newest = await made.cloud.renewBase();
    const { output } = await made.stack.succeed("preview");
    assert.match(output, /debian12: will be baked: recipe [0-9a-f]{8} => [0-9a-f]{8}/);
    const [, reason = ""] = /^ *(base: .* => .*)$/m.exec(output) ?? [];
    assert.ok(reason.includes(newest), output);
    await made.stack.settings({ base: "pinned", verify: false });
    await made.stack.expectNoChanges();
  });
}
