// Stack `ec2` in a typical company account: the API is eventually consistent, policies demand IMDSv2 and encrypted
// disks, EBS encryption is on by default, and subnets assign no public addresses.
import assert from "node:assert/strict";
import {
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  EnableEbsEncryptionByDefaultCommand,
  ModifySubnetAttributeCommand,
} from "@aws-sdk/client-ec2";
import { regions } from "../test-cloud/ec2-cloud.ts";
import { prepare, recipe } from "./cloud-life-cycle.ts";
import { openEc2 } from "./subjects/ec2.ts";

const [region, other] = regions;

describe("stack ec2 in an account with policies", function () {
  this.timeout(300_000);
  const ec2 = { region, copyTo: [other], spot: true, encrypted: false, deprecateAfter: "1 day" };
  const made = prepare(openEc2, recipe(), { ec2 });

  before(async () => {
    const { api } = made.cloud.ec2;
    api.rules.on.add("eventual consistency").add("deny IMDSv1").add("deny unencrypted disks");
    for (const place of regions) await api.client(place).send(new EnableEbsEncryptionByDefaultCommand({}));
    const { Subnets } = await api.client(region).send(new DescribeSubnetsCommand({}));
    for (const { SubnetId } of Subnets!) {
      const attribute = { SubnetId, MapPublicIpOnLaunch: { Value: false } };
      await api.client(region).send(new ModifySubnetAttributeCommand(attribute));
    }
  });

  it("says that disks are encrypted despite the setting, and keeps the builder of a failed bake", async () => {
    const { output } = await made.stack.failingUp();
    assert.match(output, /encrypts every disk in eu-central-1 \(EBS encryption by default/);
    assert.match(output, /not yet/);
    const [builder] = await made.cloud.ec2.instances();
    assert.equal(builder.InstanceLifecycle, "spot");
    const Filters = [{ Name: "attachment.instance-id", Values: [builder.InstanceId!] }];
    const { Volumes } = await made.cloud.ec2.api.client(region).send(new DescribeVolumesCommand({ Filters }));
    assert.equal(Volumes![0].Encrypted, true);
  });

  it("continues on that builder after a refresh, although AWS has encrypted its disk", async () => {
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /-files (creat|replac)/);
    const image = await made.stack.image();
    await made.stack.up();
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
    const [copy] = await made.cloud.ec2.images(other);
    assert.deepEqual(await made.cloud.leftovers([image!.id, copy.ImageId!]), []);
  });

  it("updates tags of an image past its deprecation time, although AWS refuses dates in the past", async () => {
    const { images } = made.cloud.ec2.api;
    for (const place of [region, other]) {
      const [{ ImageId }] = await made.cloud.ec2.images(place);
      images.creationDates.set(ImageId!, "2020-01-01T00:00:00.000Z");
      images.attributes.deprecate(ImageId!, "2020-01-02T00:00:00.000Z");
    }
    await made.stack.settings({ ec2: { ...ec2, deprecateAfter: "2 days" }, tags: { team: "ci" } });
    await made.stack.up();
    await made.stack.expectNoChanges();
  });
});
