// A newer base image is published while a stack has an image of the older one. The same on every cloud.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";

/** A test cloud that can publish newer base images. */
export interface RenewableSubject extends Subject {
  /** Publishes a newer base image. @returns its name, or another text by which people recognise it. */
  renewBase(): Promise<string>;
}

/** Tests of a stack whose image was made from a base image that is no longer the newest. */
export function newerBase(open: () => Promise<RenewableSubject>): void {
  const made = prepare(open, tinyRecipe(), { verify: false });

  it("the preview names the new base as a reason to bake, unless the stack pins its base", async () => {
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
