// A module that reboots its builder, on every stack. The modules after it run on the same, rebooted machine.
import assert from "node:assert/strict";
import { CloudStack, type Account } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openLocal } from "./subjects/local.ts";
import { openRackspace } from "./subjects/rackspace.ts";

/** A reboot empties /run and keeps /var. */
const recipe = tinyRecipe("one", {
  modules: ["run", "os_updates", "files"],
  run: ["touch /run/before-the-reboot; echo once >>/var/before-the-reboot"],
  os_updates: { reboot: true },
  tests: [
    { name: "the machine has rebooted", run: "test ! -e /run/before-the-reboot" },
    { name: "it is the same machine, and no module ran twice", run: "test $(wc -l </var/before-the-reboot) = 1" },
  ],
});

const stacks: Record<string, () => Promise<Account>> = {
  local: openLocal,
  ec2: openEc2,
  gce: openGce,
  rackspace: openRackspace,
};

describe("a module that reboots its builder", function () {
  this.timeout(600_000);

  for (const [name, open] of Object.entries(stacks)) {
    it(`lets the bake continue on ${name}, which leaves nothing but the image`, async () => {
      const cloud = await open();
      const stack = await CloudStack.on(cloud, recipe);
      try {
        await stack.up();
        const images = await cloud.images();
        assert.equal(images.length, 1);
        assert.deepEqual(await cloud.machines(), []);
        await stack.up();
        await stack.expectNoChanges();
        assert.deepEqual(await cloud.leftovers(images), []);
      } finally {
        await stack.remove();
      }
      assert.deepEqual(await cloud.leftovers(), []);
      await cloud.close();
    });
  }
});
