// Stack `rackspace` in two regions at once, with rarer settings: builders that boot from a volume, floating addresses,
// shared images.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import { tinyRecipe } from "./recipes.ts";
import { openRackspace } from "./subjects/rackspace.ts";

const regions = ["ORD", "DFW"];

/** `v1.medium` has no disk of its own. */
const rackspace = {
  regions,
  flavor: "v1.medium",
  networks: ["private"],
  floatingNetwork: "public",
  volume: { size: 20 },
  visibility: "shared",
  members: ["another-project"],
};

describe("stack rackspace in two regions, on volumes, at floating addresses", function () {
  this.timeout(300_000);
  const made = prepare(() => openRackspace(regions), tinyRecipe(), { rackspace });

  /** Ids of the Debian 12 images in the outputs, by region. */
  async function published(): Promise<Record<string, string>> {
    const { ciPlatform } = (await made.stack.outputs()) as unknown as {
      ciPlatform?: { jenkins: { clouds: { images: { rackspace: Record<string, { debian12: string }> } } } };
    };
    const images = ciPlatform?.jenkins.clouds.images.rackspace ?? {};
    return Object.fromEntries(Object.entries(images).map(([region, { debian12 }]) => [region, debian12]));
  }

  const imagesIn = (region: string) => made.cloud.rackspace.images(region).map(({ id }) => id);

  it("publishes nothing if one region fails to make its image", async () => {
    const { api } = made.cloud.rackspace;
    api.faults.refuse({ matches: /^POST \/DFW\/compute\/.* createImage$/, status: 403, message: "not in this region" });
    const { output } = await made.stack.failingUp();
    assert.match(output, /OpenStack compute of DFW: .* was refused with 403: not in this region/);
    assert.deepEqual(await published(), {});
    assert.deepEqual(imagesIn("DFW"), []);
  });

  it("makes the missing image with the next `up`, so that each region has one", async () => {
    const before = imagesIn("ORD");
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /-builder-files creat/, "no module runs twice");
    assert.deepEqual(Object.keys(await published()).sort(), [...regions].sort());
    for (const region of regions) assert.deepEqual(imagesIn(region), [(await published())[region]]);
    if (before.length > 0) assert.deepEqual(imagesIn("ORD"), before);
  });

  it("shares the images, and leaves only the images with their volumes and snapshots", async () => {
    await made.stack.up();
    await made.stack.expectNoChanges();
    assert.deepEqual(await made.stack.bakeRecords(), []);
    const { rackspace: cloud } = made.cloud;
    for (const [name, id] of Object.entries(await published())) {
      const region = cloud.api.region(name);
      const { visibility, block_device_mapping: mapping } = region.images.get(id)!;
      assert.equal(visibility, "shared");
      assert.deepEqual([...region.members.get(id)!.keys()], ["another-project"]);
      const [{ snapshot_id: snapshot }] = JSON.parse(String(mapping)) as { snapshot_id: string }[];
      assert.deepEqual([...region.snapshots.keys()], [snapshot]);
      assert.deepEqual([...region.volumes.keys()], [region.snapshots.get(snapshot)!.volume_id]);
    }
    const left = await made.cloud.leftovers(Object.values(await published()));
    assert.deepEqual(
      left.filter((thing) => !/^(volume|snapshot) /.test(thing)),
      [],
    );
  });
});
