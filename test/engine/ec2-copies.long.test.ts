// Stack `ec2` in three regions: a slow API that throttles and forgets, failing copies, protected images.
import assert from "node:assert/strict";
import {
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImageAttributeCommand,
  DescribeImagesCommand,
  DescribeSnapshotsCommand,
  DisableImageDeregistrationProtectionCommand,
  EnableImageDeregistrationProtectionCommand,
  EC2Client,
  type Image,
} from "@aws-sdk/client-ec2";
import { throttling } from "../test-cloud/ec2/faults.ts";
import { regions } from "../test-cloud/ec2-cloud.ts";
import { prepare } from "./cloud-life-cycle.ts";
import type { ImageOutput } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";

const [region, first, second] = regions;
const own = { region, copyTo: [first, second] };

/** Prepares a stack with copies, and helpers that list what it has made. */
function prepareCopies() {
  const made = prepare(openEc2, tinyRecipe(), { ec2: own });

  /** Our account's images in each region, from EC2. */
  async function images(): Promise<Image[][]> {
    const ours = new DescribeImagesCommand({ Owners: ["self"] });
    return await Promise.all(regions.map(async (place) => (await clientIn(place).send(ours)).Images ?? []));
  }

  /** A client for the test cloud's API, which implements protection and deprecation; moto alone does not. */
  function clientIn(place: string): EC2Client {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    return new EC2Client({ region: place, endpoint: made.cloud.ec2.api.url, credentials });
  }

  /** The images in the outputs, by region. */
  async function published(): Promise<Record<string, ImageOutput>> {
    const { images } = (await made.stack.outputs()) as { images?: { aws?: Record<string, { debian12: ImageOutput }> } };
    const byPlace = Object.entries(images?.aws ?? {});
    return Object.fromEntries(byPlace.map(([place, { debian12 }]) => [place, debian12] as const));
  }

  /** Fails unless every region has exactly one image, the outputs name these images, and nothing else is left. */
  async function expectOneEach(): Promise<void> {
    const there = await images();
    const ids = there.map((each) => each.map(({ ImageId }) => ImageId!));
    const outputs = await published();
    assert.deepEqual(
      ids,
      regions.map((place) => [outputs[place].id]),
    );
    assert.deepEqual(await made.cloud.leftovers(ids.flat()), []);
    for (const [index, place] of regions.entries()) {
      const [{ BlockDeviceMappings = [] }] = there[index];
      const SnapshotIds = BlockDeviceMappings.map(({ Ebs }) => Ebs!.SnapshotId!);
      const { Snapshots = [] } = await clientIn(place).send(new DescribeSnapshotsCommand({ SnapshotIds }));
      const recipes = Snapshots.map(({ Tags = [] }) => Tags.find(({ Key }) => Key === "ci-images:recipe")?.Value);
      assert.deepEqual(recipes, [outputs[place].recipe], `snapshots in ${place} carry the image's tags`);
    }
  }

  return { made, images, clientIn, published, expectOneEach };
}

describe("stack ec2 with copies in other regions", function () {
  this.timeout(300_000);
  const { made, images, published, expectOneEach } = prepareCopies();

  it("bakes and copies although the API is slow and throttles", async () => {
    const { faults } = made.cloud.ec2.api;
    made.cloud.strain(200);
    faults.add({ action: "CopyImage", error: throttling, times: 3 });
    await made.stack.up();
    made.cloud.strain(0);
    assert.deepEqual(faults.unmet, []);
    await made.stack.up();
    await made.stack.expectNoChanges();
    await expectOneEach();
  });

  it("keeps the last good images in the outputs when one copy is refused and another fails", async () => {
    const { faults } = made.cloud.ec2.api;
    const before = await published();
    await made.stack.recipe(tinyRecipe("two"));
    faults.failNextImage(first);
    faults.add({ action: "CopyImage", region: second, error: { code: "InternalError", message: "no copy" } });
    const { output } = await made.stack.failingUp();
    assert.match(output, /no copy/);
    assert.deepEqual(faults.unmet, []);
    assert.deepEqual(await published(), before);
    for (const [index, each] of (await images()).entries()) {
      assert.ok(
        each.some(({ ImageId }) => ImageId === before[regions[index]].id),
        "the last good image still exists",
      );
    }
    assert.deepEqual(await made.cloud.machines(), [], "the builder is deleted before the copies start");
  });

  it("reports the failed copy in a preview, and makes only the missing copies with the next `up`", async () => {
    const before = await published();
    const [there] = await images();
    const baked = there.find(({ ImageId }) => ImageId !== before[region].id)!;
    const { output } = await made.stack.succeed("preview");
    assert.match(output, new RegExp(`image ami-\\w+ in ${first} is failed: .*it will be removed, and baked again`));
    assert.doesNotMatch(output, /will be baked/);
    await made.stack.up();
    assert.equal((await published())[region].id, baked.ImageId, "no second bake");
    await made.stack.up();
    await made.stack.expectNoChanges();
    await expectOneEach();
  });

  it("makes a deregistered copy again without a bake", async () => {
    const before = await published();
    const client = made.cloud.ec2.api.client(first);
    const [copy] = (await images())[1];
    await client.send(new DeregisterImageCommand({ ImageId: copy.ImageId }));
    for (const { Ebs } of copy.BlockDeviceMappings ?? [])
      await client.send(new DeleteSnapshotCommand({ SnapshotId: Ebs!.SnapshotId }));
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /will be baked/);
    const now = await published();
    assert.equal(now[region].id, before[region].id);
    assert.notEqual(now[first].id, before[first].id);
    await made.stack.expectNoChanges();
    await expectOneEach();
  });
});

describe("copies of stack ec2 that have no tags yet when pulumi is killed", function () {
  this.timeout(300_000);
  const { made, images, published, expectOneEach } = prepareCopies();

  /** Kills pulumi between CopyImage and CreateTags. */
  const killedBeforeTags = () =>
    made.stack.killedAt((kill) => {
      const error = { code: "InternalError", message: "the killed process never reads this" };
      made.cloud.ec2.api.faults.add({
        action: "CreateTags",
        region: first,
        error,
        first: () => Promise.resolve(kill()),
      });
    });

  it("are found by name and adopted by the next `up`", async () => {
    assert.ok(await killedBeforeTags());
    await made.cloud.ec2.api.settled();
    const [, [orphan]] = await images();
    assert.deepEqual(orphan.Tags ?? [], []);
    await made.stack.up();
    assert.equal((await published())[first].id, orphan.ImageId);
    await made.stack.up();
    await made.stack.expectNoChanges();
    await expectOneEach();
  });

  it("are deleted by `destroy`", async () => {
    await made.stack.recipe(tinyRecipe("two"));
    assert.ok(await killedBeforeTags());
    await made.stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await made.cloud.leftovers(), []);
  });
});

describe("images of stack ec2 that are protected, deprecated and shared", function () {
  this.timeout(300_000);
  const { made, images, clientIn } = prepareCopies();

  it("get these settings in every region after the bake, and a refresh shows no changes", async () => {
    await made.stack.up();
    const more = { encrypted: false, deprecateAfter: "30 days", shareWithAccounts: ["123456789012"] };
    await made.stack.settings({ ec2: { ...own, ...more, deregistrationProtection: true } });
    await made.stack.up();
    for (const place of regions) {
      const [{ ImageId }] = (await images())[regions.indexOf(place)];
      const asked = new DescribeImageAttributeCommand({ ImageId, Attribute: "launchPermission" });
      const { LaunchPermissions = [] } = await clientIn(place).send(asked);
      assert.deepEqual(
        LaunchPermissions.map(({ UserId }) => UserId),
        ["123456789012"],
      );
    }
    for (const [image] of await images()) {
      assert.equal(image.DeregistrationProtection, "enabled-without-cooldown");
      assert.equal(image.ImdsSupport, "v2.0");
      const days = (Date.parse(image.DeprecationTime!) - Date.parse(image.CreationDate!)) / 86_400_000;
      assert.ok(Math.abs(days - 30) < 0.01, `${days} days`);
    }
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
  });

  it("are destroyed if the stack protected them; otherwise the error says how to lift the protection", async () => {
    const [, [copy]] = await images();
    await made.stack.settings({ ec2: own });
    await made.stack.up();
    const byHand = { ImageId: copy.ImageId };
    const client = clientIn(first);
    await client.send(new EnableImageDeregistrationProtectionCommand(byHand));
    const { output, exitCode } = await made.stack.run("destroy", "--yes", "--skip-preview");
    assert.notEqual(exitCode, 0);
    assert.match(output, /it is protected from deregistration/);
    assert.ok(
      output.includes(`aws ec2 disable-image-deregistration-protection --region ${first} --image-id ${copy.ImageId}`),
    );
    await client.send(new DisableImageDeregistrationProtectionCommand(byHand));
    await made.stack.settings({ ec2: { ...own, deregistrationProtection: true } });
    await made.stack.up();
    await made.stack.succeed("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await made.cloud.leftovers(), [], "no region has leftovers");
  });
});
