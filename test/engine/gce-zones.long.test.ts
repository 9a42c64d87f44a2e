// Stack `gce` with two distributions, each baked in its own zone.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { ImageOutput } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openGce } from "./subjects/gce.ts";

/** Zones of the test cloud. */
const zone: Record<string, string> = { debian12: "here-a", debian13: "here-b" };
const distributions = Object.keys(zone);

describe("stack gce in two zones", function () {
  this.timeout(300_000);
  const gce = { project: "bakery", zone, diskSize: 12 };
  const recipe = tinyRecipe("one", { distribution: undefined, distributions });
  const made = prepare(() => openGce(distributions), recipe, { distributions, gce });

  it("bakes both distributions in parallel in one `up`, each in its zone, and then nothing changes", async () => {
    const machines = new Set<string>();
    const watch = setInterval(
      () => void made.cloud.machines().then((all) => all.forEach((each) => machines.add(each))),
      100,
    );
    await made.stack.up().finally(() => clearInterval(watch));
    const placeOf = (distribution: string) => [...machines].filter((machine) => machine.includes(distribution));
    for (const distribution of distributions) {
      const places = placeOf(distribution);
      assert.equal(places.length, 2, "a builder and a trial machine");
      for (const place of places) assert.equal(place.split("/")[0], zone[distribution]);
    }
    const { images } = (await made.stack.outputs()) as unknown as {
      images: { gce: { bakery: Record<string, ImageOutput> } };
    };
    const ids = distributions.map((distribution) => images.gce.bakery[distribution].id);
    assert.deepEqual((await made.cloud.images()).sort(), ids.sort());
    await made.stack.up();
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.cloud.leftovers(ids), []);
  });
});
