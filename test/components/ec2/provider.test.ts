// Our EC2 resources and functions against moto, a third-party emulator of AWS, behind the test cloud's strict API.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EC2, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { cloudLabels } from "../../../common/labels.ts";
import { ec2Labels } from "../../../components/ec2/facts/labels.ts";
import { ec2, ssm } from "../../../components/ec2/provider/client.ts";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { tagKey, tagNames } from "../../../components/ec2/facts/tags.ts";
import {
  findImages,
  findInstance,
  findInstances,
  findSnapshots,
  putTags,
  snapshotsOf,
  tagsOf,
} from "../../../components/ec2/provider/tagged-resources.ts";
import { ec2Sweep } from "../../../components/ec2/provider/functions/sweep.ts";
import { ec2Preflight, ec2ResolveBase } from "../../../components/ec2/provider/functions/lookups.ts";
import { ec2Survey } from "../../../components/ec2/provider/functions/survey.ts";
import type { Context } from "../../../provider/resource.ts";
import { failedImages, imageLease } from "../../../components/ec2/provider/resources/image-lease.ts";
import { adoptedImage, ec2Promotion, imageAttributes } from "../../../components/ec2/provider/resources/image.ts";
import type { StateOf } from "../../../common/contract.ts";
import type { Lease } from "../../../components/ec2/contract.ts";
import { ec2Lease } from "../../../components/ec2/provider/resources/lease.ts";
import { market } from "../../../components/ec2/provider/resources/market.ts";
import { ec2Reachable } from "../../../components/ec2/provider/resources/reachable.ts";
import { ec2Retirement, ec2SealMark, ec2Stop } from "../../../components/ec2/provider/resources/steps.ts";
import type { Ec2Api } from "../../test-cloud/ec2/api.ts";
import { unusableKey } from "../../test-cloud/ec2/faults.ts";
import { openEc2Api } from "./ec2-api.ts";

const region = "eu-central-1";
const { privateKey } = makeSshKeyPair();
const debian = { owner_id: "136693071363", architecture: "x86_64", description: "Debian" };
const images = [
  { ...debian, ami_id: "ami-00000001", name: "debian-12-amd64-20260101-1", creation_date: "2026-01-01T00:00:00.000Z" },
  { ...debian, ami_id: "ami-00000002", name: "debian-12-amd64-20260901-2", creation_date: "2026-09-01T00:00:00.000Z" },
  { ...debian, ami_id: "ami-00000003", name: "debian-13-amd64-20260902-3", creation_date: "2026-09-02T00:00:00.000Z" },
];

type Ec2LeaseState = StateOf<typeof Lease>;

describe("EC2 through our provider", function () {
  // The first run installs moto.
  this.timeout(400_000);
  let api: Ec2Api;
  let close: () => Promise<void>;
  let client: EC2;
  let said: string[] = [];
  const context: Context = { progress: (line) => said.push(line), signal: new AbortController().signal };

  before(async () => {
    ({ api, close } = await openEc2Api(images));
    client = await ec2(region);
  });
  after(async () => {
    await close();
  });
  beforeEach(() => {
    said = [];
    api.rules.reset();
  });

  const owner = { project: "ci-images", stack: "test", distribution: "debian12" };
  const labels = { ...owner, recipe: "a".repeat(64), role: "builder" as const };
  const madeWith = { instanceType: "t3.small", spot: false, vpc: "vpc-1", subnet: "subnet-1", publicAddress: true };
  const made = { ...madeWith, disk: { size: 8, encrypted: false }, tags: {} };
  const lease = (more: Partial<typeof labels> = {}) =>
    ec2Lease.create(
      {
        region,
        prefix: "ci-images-test-debian12",
        labels: { ...labels, ...more },
        lifetime: 3600,
        open: false,
        recorded: false,
        power: "on",
        madeWith: made,
      },
      context,
    );
  const specification = (types: string[], tags: Record<string, string>) =>
    types.map((type) => ({
      ResourceType: type as "instance",
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    }));

  /** Makes what the program declares for a machine: instance, security group, key pair. */
  async function machine(state: Ec2LeaseState, more: Partial<RunInstancesCommandInput> = {}): Promise<string> {
    const tags = { ...cloudLabels(ec2Labels, state.labels), [tagNames.machine]: state.machine };
    const group = await client.createSecurityGroup({
      GroupName: state.machine,
      Description: "test",
      TagSpecifications: specification(["security-group"], tags),
    });
    await client.createKeyPair({ KeyName: state.machine, TagSpecifications: specification(["key-pair"], tags) });
    const { Instances } = await client.runInstances({
      ImageId: "ami-00000002",
      InstanceType: "t3.small",
      MinCount: 1,
      MaxCount: 1,
      SecurityGroupIds: [group.GroupId!],
      TagSpecifications: specification(["instance", "volume"], tags),
      ...more,
    });
    await api.settled();
    return Instances![0].InstanceId!;
  }

  /** Makes an image of a machine like the official resource, with tags on the image only. */
  async function imageOf(
    instance: string,
    state: Ec2LeaseState,
    name: string,
    recipe = labels.recipe,
  ): Promise<string> {
    const tags = cloudLabels(ec2Labels, { ...owner, recipe, role: "image", base: "ami-00000002" });
    const { ImageId } = await client.createImage({
      InstanceId: instance,
      Name: name,
      TagSpecifications: specification(["image"], { ...tags, [tagNames.machine]: state.machine }),
    });
    await api.settled();
    return ImageId!;
  }

  const stateOf = async (id: string) => (await findInstance(region, id))?.State?.Name;
  const groups = async (name: string) =>
    (await client.describeSecurityGroups({ Filters: [{ Name: "group-name", Values: [name] }] })).SecurityGroups!.length;

  describe("base images", () => {
    const resolve = (source: Parameters<typeof ec2ResolveBase.call>[0]["source"]) =>
      ec2ResolveBase.call({ region, distribution: "debian12", architecture: "amd64", source }, context);

    it("are the owner's newest with a matching name", async () => {
      const base = await resolve({ owner: debian.owner_id, name: "debian-12-amd64-*" });
      assert.deepEqual(base, { id: "ami-00000002", description: "debian-12-amd64-20260901-2" });
    });

    it("are resolved from an SSM parameter", async () => {
      await (await ssm(region)).putParameter({ Name: "/ours/base", Value: "ami-00000003", Type: "String" });
      assert.equal((await resolve({ parameter: "/ours/base" })).id, "ami-00000003");
    });

    it("that are missing cause an error with what was searched for, where, and similar names", async () => {
      await assert.rejects(resolve({ owner: debian.owner_id, name: "debian-11-amd64-*" }), (error: Error) =>
        [
          "base image of debian12 in eu-central-1",
          'no AMI of owner 136693071363 has a name like "debian-11-amd64-*"',
          "similar names: debian-1",
        ].every((part) => error.message.includes(part)),
      );
      await assert.rejects(resolve({ parameter: "/ours/gone" }), /there is no SSM parameter \/ours\/gone/);
      await assert.rejects(resolve({ id: "ami-0fffffff" }), /there is no AMI ami-0fffffff/);
    });
  });

  describe("base images that are deprecated", () => {
    const resolve = (name: string) =>
      ec2ResolveBase.call(
        { region, distribution: "debian13", architecture: "amd64", source: { owner: debian.owner_id, name } },
        context,
      );
    const since = "2020-01-01T00:00:00.000Z";
    after(() => api.images.attributes.deprecate("ami-00000003", "2099-01-01T00:00:00.000Z"));

    it("are used with a notice if there is no other, and count as similar names", async () => {
      api.images.attributes.deprecate("ami-00000003", since);
      const { id, notice } = await resolve("debian-13-amd64-*");
      assert.equal(id, "ami-00000003");
      assert.match(notice!, /debian-13-amd64-20260902-3 \(ami-00000003\) has been deprecated since 2020/);
      await assert.rejects(resolve("debian-14-*"), /similar names: .*debian-13-amd64-20260902-3/);
    });

    it("are not used while another one is not deprecated", async () => {
      api.images.attributes.deprecate("ami-00000002", since);
      const { id, notice } = await resolve("debian-12-amd64-*");
      api.images.attributes.deprecate("ami-00000002", "2099-01-01T00:00:00.000Z");
      assert.deepEqual([id, notice], ["ami-00000001", undefined]);
    });
  });

  describe("preflight", () => {
    const inputs = {
      ...{ region, instanceType: "t3.small", architecture: "amd64" as const, base: "ami-00000002" },
      ...{ encrypted: true, copyTo: [], isShared: false },
    };

    it("returns the VPC, and names the setting of a resource that doesn't exist", async () => {
      const { vpc, cidr } = await ec2Preflight.call(inputs, context);
      assert.match(vpc, /^vpc-/);
      assert.match(cidr!, /^172\.31\./, "the range of the default VPC");
      await assert.rejects(
        ec2Preflight.call({ ...inputs, subnet: "subnet-0123" }, context),
        /ec2\.subnet: there is no/,
      );
      await assert.rejects(
        ec2Preflight.call({ ...inputs, instanceType: "t4g.small" }, context),
        /ec2\.instanceType: t4g\.small is for arm64; allowed: a type for x86_64/,
      );
      await assert.rejects(
        ec2Preflight.call({ ...inputs, keyName: "mine" }, context),
        /AWS_KEY_PAIR: there is no mine/,
      );
    });

    it("returns default subnets of zones that have the instance type, or only the stack's own", async () => {
      const { vpc, subnets } = await ec2Preflight.call(inputs, context);
      const { Subnets } = await client.describeSubnets({ SubnetIds: subnets });
      const zones = Subnets!.map(({ AvailabilityZone }) => AvailabilityZone);
      assert.ok(zones.length > 1);
      assert.ok(Subnets!.every(({ VpcId, DefaultForAz }) => VpcId === vpc && DefaultForAz));
      const [, own] = subnets;
      assert.deepEqual((await ec2Preflight.call({ ...inputs, subnet: own }, context)).subnets, [own]);
    });

    it("checks whether the account encrypts anyway, and refuses to share what AWS's own key would encrypt", async () => {
      const open = { ...inputs, encrypted: false, copyTo: ["eu-west-1"] };
      assert.deepEqual((await ec2Preflight.call(open, context)).notices, []);
      const elsewhere = await ec2("eu-west-1");
      await elsewhere.enableEbsEncryptionByDefault({});
      try {
        const [notice, ...more] = (await ec2Preflight.call(open, context)).notices;
        assert.match(notice, /encrypts every disk in eu-west-1/);
        assert.deepEqual(more, []);
        await assert.rejects(
          ec2Preflight.call({ ...open, isShared: true }, context),
          /ec2\.encrypted.*eu-west-1.*shared/,
        );
        assert.deepEqual(
          (await ec2Preflight.call(inputs, context)).notices,
          [],
          "there is nothing to check if the stack encrypts",
        );
      } finally {
        await elsewhere.disableEbsEncryptionByDefault({});
      }
    });

    it("refuses a pinned base that is gone or can't be used, unless nothing starts from it", async () => {
      const asked = (base: string, startsFromBase = true) =>
        ec2Preflight.call({ ...inputs, base, startsFromBase }, context);
      assert.match((await asked("ami-00000002")).vpc, /^vpc-/);
      await assert.rejects(
        asked("ami-0123456789abcdef0"),
        /base image ami-0123456789abcdef0 in eu-central-1: is gone, or no longer shared with this account; cure: set ci-images:base to latest/,
      );
      assert.match((await asked("ami-0123456789abcdef0", false)).vpc, /^vpc-/);
      await client.disableImage({ ImageId: "ami-00000003" });
      await assert.rejects(asked("ami-00000003"), /base image ami-00000003 .*: is disabled; cure: set ci-images:base/);
      await client.enableImage({ ImageId: "ami-00000003" });
    });

    it("refuses a boot mode that the base image lacks, or the instance type doesn't support", async () => {
      // moto's images boot by UEFI.
      assert.match((await ec2Preflight.call({ ...inputs, bootMode: "uefi" }, context)).vpc, /^vpc-/);
      await assert.rejects(
        ec2Preflight.call({ ...inputs, bootMode: "legacy-bios" }, context),
        /ec2\.bootMode: legacy-bios, but the base image ami-00000002 \(debian-12-\S+\) boots in uefi.*choose another base image/,
      );
      await assert.rejects(
        ec2Preflight.call({ ...inputs, instanceType: "t2.micro", bootMode: "uefi" }, context),
        /ec2\.instanceType: t2\.micro boots in legacy-bios only, and ci-images:ec2\.bootMode is uefi/,
      );
    });
  });

  it("a lease deletes its machine with security group, key pair and an unproven image with its snapshots", async () => {
    const { id, outputs } = await lease();
    const instance = await machine(outputs);
    const image = await imageOf(instance, outputs, "unproven");
    const [{ BlockDeviceMappings }] = await findImages(region, { [tagNames.machine]: outputs.machine });
    const snapshots = snapshotsOf({ BlockDeviceMappings });
    assert.ok(snapshots.length > 0);
    assert.equal(await ec2Lease.drift!(id, outputs), "none");

    await ec2Lease.delete!(id, outputs, context);
    assert.equal(await stateOf(instance), "terminated");
    assert.equal(await groups(outputs.machine), 0);
    assert.deepEqual((await client.describeKeyPairs({})).KeyPairs, []);
    assert.deepEqual(await findImages(region, { [tagNames.machine]: outputs.machine }), []);
    await assert.rejects(client.describeSnapshots({ SnapshotIds: snapshots }), /InvalidSnapshot\.NotFound/);
    assert.ok(said.some((line) => line.includes(`deregistered ${image}`)));
    await ec2Lease.delete!(id, outputs, context); // No-op if nothing is left.
  });

  it("a lease leaves its unproven image alone once another builder was made at a stage before `image`", async () => {
    const { id, outputs } = await lease();
    const image = await imageOf(await machine(outputs), outputs, "kept");
    // Making it removes the earlier builder.
    const { id: next, outputs: open } = await ec2Lease.create(
      { ...outputs, madeWith: made, power: "on", open: true },
      context,
    );
    await ec2Lease.delete!(id, outputs, context);
    await ec2Lease.delete!(next, open, context);
    assert.deepEqual((await client.describeImages({ ImageIds: [image] })).Images!.length, 1);
    await client.deregisterImage({ ImageId: image });
  });

  it("a lease is replaced if it expired, or if its machine is gone or sealing was interrupted", async () => {
    const { id, outputs } = await lease();
    assert.equal(await ec2Lease.drift!(id, outputs), "replace", "no machine yet");
    const wanted = { ...outputs, recorded: true, power: "on" as const, madeWith: made };
    const instance = await machine(outputs);
    assert.equal(await ec2Lease.drift!(id, { ...outputs, deadline: "2020-01-01T00:00:00Z" }), "replace");
    await ec2SealMark.create({ region, machine: outputs.machine, instance }, context);
    assert.equal(await ec2Lease.drift!(id, outputs), "replace", "sealing has started");
    await ec2Stop.create({ region, machine: outputs.machine, instance }, context);
    assert.equal(await stateOf(instance), "stopped");
    assert.equal(await ec2Lease.drift!(id, outputs), "none", "sealed");
    const sealed = async () => (await ec2Survey.call({ region, copyTo: [], ...owner }, context)).sealed;
    assert.deepEqual(await sealed(), [labels.recipe], "its steps are not run again");
    const expiry = (Value: string) =>
      client.createTags({ Resources: [instance], Tags: [{ Key: tagKey("expires"), Value }] });
    await expiry("20200101T000000Z");
    assert.deepEqual(await sealed(), [], "a new lease replaces it");
    await expiry("29990101T000000Z");
    assert.equal(
      await ec2Lease.drift!(id, outputs, { ...wanted, open: true }),
      "replace",
      "a sealed builder allows no logins",
    );
    assert.equal(
      await ec2Lease.drift!(id, outputs, { ...wanted, recorded: false }),
      "replace",
      "the state has no record of the machine",
    );
    await ec2Lease.delete!(id, outputs, context);
    assert.equal(await ec2Lease.drift!(id, outputs), "replace", "gone");
  });

  it("a builder past its deadline, which is replaced, does not count as one", async () => {
    const { id, outputs } = await lease();
    const instance = await machine(outputs);
    const survey = async () => {
      const { builders, expired, sealed } = await ec2Survey.call({ region, copyTo: [], ...owner }, context);
      return [builders, expired, sealed];
    };
    await putTags(region, [instance], { "ci-images:expires": "29990101T000000Z", [tagNames.sealing]: "done" });
    await client.stopInstances({ InstanceIds: [instance] });
    assert.deepEqual(await survey(), [[labels.recipe], [], [labels.recipe]]);
    await putTags(region, [instance], { "ci-images:expires": "20200101T000000Z" });
    assert.deepEqual(await survey(), [[], [labels.recipe], []]);
    await ec2Lease.delete!(id, outputs, context);
  });

  it("a new lease removes the machine of an earlier recipe, and leaves other stacks and distributions alone", async () => {
    const { outputs: earlier } = await lease();
    const { outputs: foreign } = await lease({ stack: "other" });
    const [old, other] = [await machine(earlier), await machine(foreign)];
    const { id, outputs } = await lease({ recipe: "b".repeat(64) });
    assert.equal(await stateOf(old), "terminated");
    assert.equal(await groups(earlier.machine), 0);
    assert.equal(await stateOf(other), "running");
    await ec2Lease.delete!(id, outputs, context);
    await ec2Lease.delete!(foreign.machine, foreign, context);
  });

  it("an image is found by its tags, counts as verified after promotion, and survives its machine", async () => {
    const { id, outputs } = await lease();
    const instance = await machine(outputs);
    const image = await imageOf(instance, outputs, "good");
    await putTags(region, [image], { [tagNames.builder]: `${"0".repeat(32)} AAAAhost AAAAlogin` });
    const survey = () => ec2Survey.call({ region, copyTo: ["eu-west-1"], ...owner }, context);
    const before = await survey();
    assert.deepEqual(before.builders, [labels.recipe]);
    assert.equal(before.generations[0].proven, false);
    assert.deepEqual(before.generations[0].builder, {
      machineId: "0".repeat(32),
      hostKeys: ["ssh-ed25519 AAAAhost"],
      loginKey: "ssh-ed25519 AAAAlogin",
    });

    const tags = cloudLabels(ec2Labels, { ...owner, recipe: labels.recipe });
    const attributes = await imageAttributes.create({ region, image, tags, protect: false }, context);
    const [snapshot] = attributes.outputs.snapshots;
    assert.deepEqual(
      (await findSnapshots(region, tags)).map(({ SnapshotId }) => SnapshotId),
      [snapshot],
    );
    await ec2Promotion.create({ region, image, how: "t3.small", report: "ok - a\nok - b\n2 passed" }, context);
    await ec2Retirement.create({ region, machine: outputs.machine, instance }, context);
    await ec2Lease.delete!(id, outputs, context);

    const after = await survey();
    assert.deepEqual(after.builders, []);
    const [{ proven, location, recipe, base, builtAt }] = after.generations;
    assert.deepEqual([proven, location, recipe, base.id], [true, image, labels.recipe, "ami-00000002"]);
    assert.equal(builtAt, attributes.outputs.builtAt);
    const [found] = await findImages(region, tags);
    assert.equal(tagsOf(found)[tagNames.verified], "t3.small, 2 checks");

    // After a lost state, the image is adopted and can be removed like any other.
    const adopted = await adoptedImage.create({ region, image, tags }, context);
    assert.ok(await adoptedImage.read!(adopted.id, adopted.outputs, context));
    await adoptedImage.delete!(adopted.id, adopted.outputs, context);
    assert.equal(await adoptedImage.read!(adopted.id, adopted.outputs, context), undefined);
    assert.equal(await imageAttributes.read!(image, attributes.outputs, context), undefined);
    assert.deepEqual(await findSnapshots(region, tags), []);
  });

  it("a copy is found with its image, and reported if its image is gone, because it still takes the name", async () => {
    const { id, outputs } = await lease();
    const image = await imageOf(await machine(outputs), outputs, "copied");
    const elsewhere = await ec2("eu-west-1");
    const { ImageId: copy } = await elsewhere.copyImage({ SourceImageId: image, SourceRegion: region, Name: "copied" });
    const tags = cloudLabels(ec2Labels, { ...owner, recipe: labels.recipe, role: "image" });
    await putTags("eu-west-1", [copy!], { ...tags, [tagNames.proven]: "yes" });
    const survey = () => ec2Survey.call({ region, copyTo: ["eu-west-1"], ...owner }, context);
    assert.deepEqual((await survey()).generations[0].copies, { "eu-west-1": copy });
    assert.deepEqual((await survey()).useless, []);
    await client.deregisterImage({ ImageId: image });
    const { generations, useless } = await survey();
    assert.deepEqual(generations, []);
    const reason = "a copy whose image in eu-central-1 is gone";
    const told = { region: "eu-west-1", id: copy, name: "copied", recipe: labels.recipe, reason, kind: "orphaned" };
    assert.deepEqual(useless, [told]);
    await adoptedImage.delete!(copy!, { region: "eu-west-1", image: copy!, tags }, context);
    await ec2Lease.delete!(id, outputs, context);
  });

  it("a copy left untagged by a kill is found by name and tagged; its lease can remove it by name", async () => {
    const { id, outputs } = await lease();
    const name = `ci-images-test-debian12-${labels.recipe.slice(0, 12)}`;
    const image = await imageOf(await machine(outputs), outputs, name);
    const there = "eu-west-1";
    const elsewhere = await ec2(there);
    const copyAs = async (Name: string) =>
      (await elsewhere.copyImage({ SourceImageId: image, SourceRegion: region, Name })).ImageId!;
    const tags = cloudLabels(ec2Labels, { ...owner, recipe: labels.recipe, role: "image" });
    const leased = await imageLease.create({ region: there, name, tags }, context);
    const survey = async () => (await ec2Survey.call({ region, copyTo: [there], ...owner }, context)).generations[0];
    // Other people's copies, and another recipe's.
    const names = ["web", `ci-images-test-debian12-${"b".repeat(12)}`, `${name}-backup`];
    const others = await Promise.all(names.map(copyAs));
    assert.deepEqual((await survey()).copies, {});
    // A second attempt, because the first name was taken.
    const copy = await copyAs(`${name}-2`);
    assert.deepEqual((await survey()).copies, { [there]: copy });
    await adoptedImage.create({ region: there, image: copy, tags }, context);
    const [found] = await findImages(there, tags);
    assert.equal(found.ImageId, copy);
    // A lease made before leases had names.
    await imageLease.delete!(leased.id, { region: there, tags }, context);
    assert.deepEqual(await findImages(there, tags), []);
    const untagged = await copyAs(name);
    await imageLease.delete!(leased.id, leased.outputs, context);
    const left = (await elsewhere.describeImages({ Owners: ["self"] })).Images!.map(({ ImageId }) => ImageId!);
    assert.deepEqual(left.sort(), others.sort());
    assert.ok(!left.includes(untagged));
    for (const other of others) await elsewhere.deregisterImage({ ImageId: other });
    await client.deregisterImage({ ImageId: image });
    await ec2Lease.delete!(id, outputs, context);
  });

  it("an image's lease removes the image with its snapshots, even those left after it was deregistered by hand", async () => {
    const { id, outputs } = await lease();
    const instance = await machine(outputs);
    const imageTags = (recipe: string) => cloudLabels(ec2Labels, { ...owner, recipe, role: "image" });
    const [tags, others] = [imageTags(labels.recipe), imageTags("b".repeat(64))];
    const made = await imageOf(instance, outputs, "made");
    const byHand = await imageOf(instance, outputs, "by hand");
    const other = await imageOf(instance, outputs, "another recipe's", "b".repeat(64));
    await imageAttributes.create({ region, image: byHand, tags, protect: false }, context);
    const image = await imageLease.create({ region, name: "any", tags }, context);
    await client.deregisterImage({ ImageId: byHand });
    assert.equal((await findSnapshots(region, tags)).length, 1);
    const [{ BlockDeviceMappings }] = (await findImages(region, tags)).filter(({ ImageId }) => ImageId === made);
    await imageLease.delete!(image.id, image.outputs, context);
    assert.deepEqual(await findSnapshots(region, tags), []);
    assert.deepEqual(await findImages(region, tags), []);
    const [untagged] = snapshotsOf({ BlockDeviceMappings });
    await assert.rejects(client.describeSnapshots({ SnapshotIds: [untagged] }), /InvalidSnapshot\.NotFound/);
    assert.deepEqual(
      (await findImages(region, others)).map(({ ImageId }) => ImageId),
      [other],
    );
    await ec2Lease.delete!(id, outputs, context);
  });

  it("failed images are removed with their untagged snapshots; removing them again is a no-op", async () => {
    const { id, outputs } = await lease();
    const image = await imageOf(await machine(outputs), outputs, "failed");
    const snapshots = snapshotsOf((await findImages(region, { [tagNames.machine]: outputs.machine }))[0]);
    await failedImages.create({ region, images: [image] }, context);
    assert.deepEqual(await findImages(region, { [tagNames.machine]: outputs.machine }), []);
    await assert.rejects(client.describeSnapshots({ SnapshotIds: snapshots }), /InvalidSnapshot\.NotFound/);
    await failedImages.create({ region, images: [image] }, context);
    await ec2Lease.delete!(id, outputs, context);
  });

  it("a sweep lists what has expired, removes it on request, and leaves the rest alone", async () => {
    const { outputs } = await lease();
    const { outputs: other } = await lease({ distribution: "debian13" });
    const [old, fresh] = [await machine(outputs), await machine(other)];
    const image = await imageOf(old, outputs, "left");
    const proven = await imageOf(old, outputs, "kept");
    await putTags(region, [proven], { [tagNames.proven]: "yes" });
    const group = await client.describeSecurityGroups({ Filters: [{ Name: "group-name", Values: [outputs.machine] }] });
    const past = { "ci-images:expires": "20200101T000000Z" };
    await putTags(region, [old, group.SecurityGroups![0].GroupId!, image, proven], past);
    await putTags(region, [fresh], { "ci-images:expires": "29990101T000000Z" });
    const sweep = async (remove: boolean) => {
      const { leftovers } = await ec2Sweep.call(
        { regions: [region], project: "ci-images", stack: "test", remove },
        context,
      );
      return leftovers.map(({ kind, id, problem }) => [kind, id, problem]);
    };
    const found = [
      ["machine", outputs.machine, undefined],
      ["image", image, undefined],
    ];
    assert.deepEqual(await sweep(false), found);
    assert.equal(await stateOf(old), "running", "a sweep without `remove` only lists");
    assert.deepEqual(await sweep(true), found);
    assert.equal(await stateOf(old), "terminated");
    assert.equal(await stateOf(fresh), "running");
    assert.deepEqual(await sweep(false), []);
    await adoptedImage.delete!(proven, { region, image: proven, tags: {} }, context);
    await ec2Lease.delete!(other.machine, other, context);
  });

  describe("spot capacity", () => {
    let subnet: string;
    before(async () => {
      const preflight = { region, instanceType: "t3.small", architecture: "amd64" as const, base: "ami-00000002" };
      const more = { encrypted: true, copyTo: [], isShared: false };
      [subnet] = (await ec2Preflight.call({ ...preflight, ...more }, context)).subnets;
    });
    const disk = { size: 8, encrypted: true };
    const inputs = (machine: string, more: object = {}) => {
      const madeWith = { instanceType: "t3.small", spot: true, subnet, publicAddress: true, disk, ...more };
      return { region, machine, image: "ami-00000002", madeWith, tags: {} };
    };
    /** States of the instances of a machine. */
    const states = async (machine: string) => {
      const Filters = [{ Name: `tag:${tagNames.machine}`, Values: [machine] }];
      const { Reservations } = await client.describeInstances({ Filters });
      return Reservations!.flatMap(({ Instances }) => Instances!.map(({ State }) => State!.Name));
    };

    it("is probed with a short-lived machine that complies with policies, even if it is not visible at first", async () => {
      api.rules.on.add("eventual consistency").add("deny IMDSv1").add("deny unencrypted disks");
      const { id, outputs } = await lease();
      const found = await market.create(inputs(outputs.machine), context);
      assert.equal(found.outputs.market, "spot");
      assert.deepEqual(await states(outputs.machine), ["terminated"]);
      await ec2Lease.delete!(id, outputs, context);
    });

    it("is probed without affecting the machine itself", async () => {
      const { id, outputs } = await lease();
      const builder = await machine(outputs);
      await market.create(inputs(outputs.machine), context);
      assert.equal(await stateOf(builder), "running");
      const calls = api.calls.length;
      const found = await market.create(inputs(outputs.machine, { spot: false }), context);
      assert.deepEqual([found.outputs.market, api.calls.length], ["on-demand", calls], "AWS is not asked");
      await ec2Lease.delete!(id, outputs, context);
    });

    it("is unavailable if AWS ends the probe; a key that spot machines may not use is an error with its cure", async () => {
      const { id, outputs } = await lease();
      const code = "Server.InsufficientInstanceCapacity";
      api.faults.endNextInstance({ code, message: `${code}: not now` });
      assert.equal((await market.create(inputs(outputs.machine), context)).outputs.market, "on-demand");
      assert.match(said.join("\n"), /no spot capacity \(Server\.InsufficientInstanceCapacity\)/);
      api.faults.endNextInstance(unusableKey);
      const kmsKey = `arn:aws:kms:${region}:123456789012:key/0abc`;
      await assert.rejects(
        market.create(inputs(outputs.machine, { disk: { ...disk, kmsKey } }), context),
        /Client\.InternalError.*AWSServiceRoleForEC2Spot may not use arn:aws:kms.*docs\/ec2\.md/,
      );
      await ec2Lease.delete!(id, outputs, context);
    });
  });

  describe("a builder that somebody else has stopped", () => {
    const spot = {
      InstanceMarketOptions: {
        MarketType: "spot" as const,
        SpotOptions: { SpotInstanceType: "persistent" as const, InstanceInterruptionBehavior: "stop" as const },
      },
    };
    const wanted = (state: Ec2LeaseState, power: "on" | "off" = "on") => ({
      ...state,
      recorded: true,
      power,
      madeWith: made,
    });

    it("keeps its lease if we can start it again, and loses it if only AWS can", async () => {
      const { id, outputs } = await lease();
      await machine(outputs, spot);
      const [{ InstanceId }] = await findInstances(region, { [tagNames.machine]: outputs.machine });
      await client.stopInstances({ InstanceIds: [InstanceId!] });
      await api.settled();
      assert.equal(await ec2Lease.drift!(id, outputs, wanted(outputs)), "none", "a person stopped it");
      await client.startInstances({ InstanceIds: [InstanceId!] });
      await api.settled();
      await api.interrupt(region, InstanceId!);
      assert.equal(await ec2Lease.drift!(id, outputs, wanted(outputs)), "replace", "AWS stopped it");
      assert.equal(await ec2Lease.drift!(id, outputs, wanted(outputs, "off")), "none", "the stack wants it off");
      await ec2Lease.delete!(id, outputs, context);
    });

    it("is started and located again; a missing address is an error at once", async () => {
      const { id, outputs } = await lease();
      const instance = await machine(outputs);
      await client.stopInstances({ InstanceIds: [instance] });
      await api.settled();
      const step = {
        region,
        machine: outputs.machine,
        instance,
        port: 22,
        user: "admin",
        hostKey: "ssh-ed25519 AAAA",
        privateKey,
      };
      const open = { ...step, address: "public" as const, power: "on" as const };
      const before = { ...open, host: "192.0.2.1", sshPort: 22, sshUser: "admin" };
      assert.equal(await ec2Reachable.drift!(instance, before, open), "update");
      const off = await ec2Reachable.update!(instance, before, { ...open, power: "off" }, context);
      assert.deepEqual(off, { ...before, power: "off" }, "a builder that is off keeps its last address");
      assert.equal(await ec2Reachable.drift!(instance, off, { ...open, power: "off" }), "none");
      api.instances.hideAddress(instance, 8);
      api.faults.add({ action: "GetConsoleOutput", error: { code: "InternalError", message: "none" } });
      process.env.CI_IMAGES_BOOT_SECONDS = "1";
      await assert.rejects(ec2Reachable.update!(instance, before, open, context), /at 127\.77\.255\.1:22, waited/);
      assert.equal(await stateOf(instance), "running");
      assert.match(said.join("\n"), /had been stopped elsewhere: started it again/);
      await client.createTags({ Resources: [instance], Tags: [{ Key: tagNames.sealing, Value: "done" }] });
      assert.equal(await ec2Lease.drift!(id, outputs, wanted(outputs)), "replace", "sealed, and running again");
      const { sealed } = await ec2Survey.call({ region, copyTo: [], ...owner }, context);
      assert.deepEqual(sealed, [], "the steps run again, on another machine");
      await client.stopInstances({ InstanceIds: [instance] });
      await api.settled();
      assert.equal(await ec2Reachable.drift!(instance, before, open), "none", "a sealed builder stays off");
      const { message } = await ec2Reachable.update!(instance, before, open, context).then(
        () => new Error("it was reached"),
        (error: Error) => error,
      );
      assert.match(message, /it is stopped and has no public address/);
      await ec2Lease.delete!(id, outputs, context);
    });
  });

  it("a machine that has ended or never answers is an error with its state and its saved console", async () => {
    process.env.CI_IMAGES_BOOT_SECONDS = "1";
    const { id, outputs } = await lease();
    const instance = await machine(outputs);
    process.env.CI_IMAGES_CACHE = await mkdtemp(join(tmpdir(), "ci-images-consoles-"));
    // Nothing listens on this address.
    const way = {
      address: "private" as const,
      port: 22,
      user: "admin",
      hostKey: "ssh-ed25519 AAAA",
      privateKey,
      power: "on" as const,
    };
    const step = { region, machine: outputs.machine, instance, ...way };
    await assert.rejects(ec2Reachable.create(step, context), (error: Error) =>
      [instance, "it is still running, and silent", "at most 1 s", `consoles/${outputs.machine}.log`].every((part) =>
        error.message.includes(part),
      ),
    );
    await ec2Lease.delete!(id, outputs, context);
    await assert.rejects(ec2Reachable.create(step, context), /it is terminated/);
    const gone = { ...step, instance: "i-0123456789abcdef0" };
    await assert.rejects(
      ec2Stop.create(gone, context),
      /stopping i-0123456789abcdef0 in eu-central-1: AWS: .*NotFound/,
    );
    await rm(process.env.CI_IMAGES_CACHE, { recursive: true });
  });
});
