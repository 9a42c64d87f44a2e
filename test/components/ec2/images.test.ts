// Our EC2 resources for images, against moto behind the test cloud's proxy, which adds what moto lacks: deprecation,
// deregistration protection, images that fail.
import assert from "node:assert/strict";
import type { EC2 } from "@aws-sdk/client-ec2";
import ssh2 from "ssh2";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { removeSnapshot, waitForImage } from "../../../components/ec2/provider/images.ts";
import { builderTag, tagNames } from "../../../components/ec2/facts/tags.ts";
import { cloudLabels } from "../../../common/labels.ts";
import { ec2Labels } from "../../../components/ec2/facts/labels.ts";
import { ec2 } from "../../../components/ec2/provider/client.ts";
import { findImage, putTags } from "../../../components/ec2/provider/tagged-resources.ts";
import { ec2Survey } from "../../../components/ec2/provider/functions/survey.ts";
import type { Context } from "../../../provider/resource.ts";
import { failedImages, imageLease } from "../../../components/ec2/provider/resources/image-lease.ts";
import { adoptedImage, imageAttributes } from "../../../components/ec2/provider/resources/image.ts";
import { baseImage } from "../../test-cloud/ec2-cloud.ts";
import type { Ec2Api } from "../../test-cloud/ec2/api.ts";
import { openEc2Api } from "./ec2-api.ts";

const region = "eu-central-1";
const owner = { project: "ci-images", stack: "test", distribution: "debian12" };
const recipe = "a".repeat(64);
const tags = cloudLabels(ec2Labels, { ...owner, recipe, role: "image" });

describe("EC2 images through our provider", function () {
  // The first run installs moto.
  this.timeout(400_000);
  let api: Ec2Api;
  let close: () => Promise<void>;
  let client: EC2;
  let instance: string;
  const context: Context = { progress: () => {}, signal: new AbortController().signal };

  before(async () => {
    ({ api, close } = await openEc2Api([baseImage]));
    client = await ec2(region);
    const { Instances } = await client.runInstances({ ImageId: baseImage.ami_id, MinCount: 1, MaxCount: 1 });
    instance = Instances![0].InstanceId!;
  });
  after(async () => {
    await close();
  });

  /** Makes an image, as the official resource does. */
  async function image(name: string, isProven = true): Promise<string> {
    const { ImageId } = await client.createImage({ InstanceId: instance, Name: name });
    await putTags(region, [ImageId!], isProven ? { ...tags, [tagNames.proven]: "yes" } : tags);
    return ImageId!;
  }

  /** The snapshots of an image. */
  async function snapshotsOf(id: string): Promise<string[]> {
    const found = (await findImage(region, id))!;
    return found.BlockDeviceMappings!.map(({ Ebs }) => Ebs!.SnapshotId!);
  }

  const attributes = (id: string, more: object = {}) => ({ region, image: id, tags, protect: false, ...more });

  it("are deprecated relative to their creation, protected, and require IMDSv2; changed settings are applied", async () => {
    const id = await image("attributes");
    const { outputs } = await imageAttributes.create(
      attributes(id, { protect: true, deprecateAfter: 86_400 }),
      context,
    );
    const found = (await findImage(region, id))!;
    assert.equal(found.DeregistrationProtection, "enabled-without-cooldown");
    assert.equal(found.ImdsSupport, "v2.0");
    const hours = (Date.parse(found.DeprecationTime!) - Date.parse(outputs.builtAt)) / 3_600_000;
    assert.ok(Math.abs(hours - 24) < 0.02, `${hours} hours`);
    await imageAttributes.update!(id, outputs, attributes(id), context);
    const changed = (await findImage(region, id))!;
    assert.deepEqual([changed.DeregistrationProtection, changed.DeprecationTime], ["disabled", undefined]);
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
  });

  it("past their deprecation date are deprecated at the next minute, once; a change of tags sets no new date", async () => {
    const id = await image("old");
    const day = 86_400;
    const { outputs } = await imageAttributes.create(attributes(id, { deprecateAfter: day }), context);
    const deprecated = async () => (await findImage(region, id))!.DeprecationTime!;
    const [tomorrow, calls] = [await deprecated(), api.calls.length];
    const locked = attributes(id, { deprecateAfter: day, protect: true });
    const changed = await imageAttributes.update!(id, outputs, locked, context);
    const since = (made: number) => api.calls.slice(made).filter((call) => call.endsWith(" EnableImageDeprecation"));
    assert.deepEqual(since(calls), []);
    assert.equal(await deprecated(), tomorrow);
    // A year later, the stack's setting is shortened.
    api.images.creationDates.set(id, "2020-01-01T00:00:00.000Z");
    const shorter = attributes(id, { deprecateAfter: 2 * day });
    await imageAttributes.update!(id, changed, shorter, context);
    const minutes = (Date.parse(await deprecated()) - Date.now()) / 60_000;
    assert.ok(minutes > -0.1 && minutes < 2, `${minutes} minutes`);
    // Adopting an image that is already deprecated sets no date either.
    api.images.attributes.deprecate(id, "2021-01-01T00:00:00.000Z");
    const adopting = api.calls.length;
    await imageAttributes.create(shorter, context);
    assert.deepEqual(since(adopting), []);
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
  });

  it("are deleted although we have protected them: deleting their attributes removes the protection first", async () => {
    const id = await image("ours");
    const lease = await imageLease.create({ region, name: "any", tags }, context);
    const { outputs } = await imageAttributes.create(attributes(id, { protect: true }), context);
    await imageAttributes.delete!(id, outputs, context);
    await imageLease.delete!(lease.id, lease.outputs, context);
    assert.equal(await findImage(region, id), undefined);
  });

  it("stay if somebody else has protected them, and the error has the command that removes the protection", async () => {
    const id = await image("theirs");
    const lease = await imageLease.create({ region, name: "any", tags }, context);
    const { outputs } = await imageAttributes.create(attributes(id), context);
    await client.enableImageDeregistrationProtection({ ImageId: id });
    const cure = `aws ec2 disable-image-deregistration-protection --region ${region} --image-id ${id}`;
    for (const remove of [
      () => imageAttributes.delete!(id, outputs, context),
      () => imageLease.delete!(lease.id, lease.outputs, context),
      () => adoptedImage.delete!(id, { region, image: id, tags }, context),
    ]) {
      await assert.rejects(remove, (error: Error) => error.message.includes(cure));
    }
    assert.ok(await findImage(region, id));
    await client.disableImageDeregistrationProtection({ ImageId: id });
    await imageLease.delete!(lease.id, lease.outputs, context);
    assert.equal(await findImage(region, id), undefined);
  });

  it("are deleted with their lease if they were never verified, even if protected", async () => {
    const id = await image("unproven", false);
    await imageAttributes.create(attributes(id, { protect: true }), context);
    await imageLease.delete!("lease", { region, name: "any", tags }, context);
    assert.equal(await findImage(region, id), undefined);
  });

  it("that AWS failed to make are in the survey with AWS's reason, fail the wait for them, and are removed", async () => {
    const good = await image("good");
    api.faults.failNextImage(region);
    const bad = await image("bad", false);
    await api.settled();
    const { generations, useless } = await ec2Survey.call({ region, copyTo: [], ...owner }, context);
    assert.deepEqual(
      generations.map(({ location }) => location),
      [good],
    );
    const reason = "failed: An internal error has occurred";
    assert.deepEqual(useless, [{ region, id: bad, name: "bad", recipe, reason, kind: "failed" }]);
    await assert.rejects(
      imageAttributes.create(attributes(bad), context),
      /image ami-\w+ in eu-central-1, waited 0 s for it to be available: it is failed: An internal error.*describe-images/,
    );
    await failedImages.create({ region, images: [bad] }, context);
    assert.equal(await findImage(region, bad), undefined);
    await adoptedImage.delete!(good, { region, image: good, tags }, context);
  });

  it("leave no snapshot behind, although AWS says for some seconds that it is in use; another image's stays", async () => {
    const [id, other] = [await image("one"), await image("other")];
    const [snapshot, shared] = await Promise.all([id, other].map(async (each) => (await snapshotsOf(each))[0]));
    const inUse = { code: "InvalidSnapshot.InUse", message: `The snapshot is currently in use by ${id}` };
    api.faults.add({ action: "DeleteSnapshot", times: 2, error: inUse });
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
    await assert.rejects(client.describeSnapshots({ SnapshotIds: [snapshot] }), /InvalidSnapshot\.NotFound/);
    api.faults.add({ action: "DeleteSnapshot", error: inUse });
    const said: string[] = [];
    await removeSnapshot(region, shared, { ...context, progress: (line) => said.push(line) });
    assert.deepEqual(said, [`kept ${shared} in ${region}: image ${other} needs it`]);
    await adoptedImage.delete!(other, { region, image: other, tags }, context);
    await assert.rejects(client.describeSnapshots({ SnapshotIds: [shared] }), /InvalidSnapshot\.NotFound/);
  });

  it("are waited for if they are new and AWS doesn't know them yet, but not if they are gone", async () => {
    const id = await image("new");
    const unknown = { code: "InvalidAMIID.NotFound", message: `The image id '[${id}]' does not exist` };
    api.faults.add({ action: "DescribeImages", error: unknown });
    assert.equal((await waitForImage(region, id, context, true)).ImageId, id);
    api.faults.add({ action: "DescribeImages", error: unknown });
    await assert.rejects(waitForImage(region, id, context), /it is gone/);
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
  });

  it("keep the builder's identity in a tag that AWS accepts, also with a user's own large RSA key", async () => {
    const id = await image("identity");
    const loginKey = ssh2.utils.generateKeyPairSync("rsa", { bits: 4096, comment: "somebody" }).public;
    const builder = { machineId: "1".repeat(32), hostKeys: [makeSshKeyPair().publicKey], loginKey };
    await putTags(region, [id], { [tagNames.builder]: builderTag(builder) });
    const { generations } = await ec2Survey.call({ region, copyTo: [], ...owner }, context);
    const found = generations[0].builder!;
    assert.equal(found.machineId, builder.machineId);
    assert.ok(builder.hostKeys[0].startsWith(found.hostKeys[0]));
    assert.ok(loginKey.startsWith(found.loginKey));
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
  });

  it("that AWS is still making are in the survey, and adopting one waits for it", async () => {
    const id = await image("pending");
    const { generations } = await ec2Survey.call({ region, copyTo: [], ...owner }, context);
    assert.deepEqual(
      generations.map(({ location }) => location),
      [id],
    );
    await adoptedImage.create({ region, image: id, tags }, context);
    assert.equal((await findImage(region, id))!.State, "available");
    await adoptedImage.delete!(id, { region, image: id, tags }, context);
  });
});
