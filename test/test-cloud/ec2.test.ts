// The test cloud's EC2 is as strict as AWS: it follows AWS's own API model, and rules from AWS's documentation, whose
// sources are in ec2/rules.ts.
import assert from "node:assert/strict";
import type { EC2, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { ec2 } from "../../components/ec2/provider/client.ts";
import { openEc2Api } from "../components/ec2/ec2-api.ts";
import type { Ec2Api } from "./ec2/api.ts";
import { unusableKey } from "./ec2/faults.ts";
import { baseImage } from "./ec2-cloud.ts";
import { ServiceModel } from "./ec2/service-model.ts";

const region = "eu-central-1";

describe("the test cloud's EC2", function () {
  // The first run installs moto.
  this.timeout(400_000);
  let api: Ec2Api;
  let close: () => Promise<void>;
  let client: EC2;
  before(async () => {
    ({ api, close } = await openEc2Api([baseImage]));
    client = await ec2(region);
  });
  after(async () => {
    await close();
  });
  beforeEach(() => {
    api.rules.reset();
    api.faults.clear();
  });

  async function run(more: Partial<RunInstancesCommandInput> = {}): Promise<string> {
    const { Instances } = await client.runInstances({ ImageId: baseImage.ami_id, MinCount: 1, MaxCount: 1, ...more });
    await api.settled();
    return Instances![0].InstanceId!;
  }
  const look = async (id: string) => {
    const { Reservations } = await client.describeInstances({ InstanceIds: [id] });
    return Reservations![0].Instances![0];
  };
  const refused = (promise: Promise<unknown>, code: string) =>
    assert.rejects(promise, (error: Error) => {
      assert.equal(error.name, code, error.message);
      return true;
    });
  const spot = (SpotOptions: NonNullable<RunInstancesCommandInput["InstanceMarketOptions"]>["SpotOptions"]) => ({
    InstanceMarketOptions: { MarketType: "spot" as const, ...(SpotOptions && { SpotOptions }) },
  });
  const persistent = spot({ SpotInstanceType: "persistent", InstanceInterruptionBehavior: "stop" });

  it("refuses unknown actions and parameters, missing parameters and wrong values, by AWS's model", async () => {
    const [model, ssm] = [await ServiceModel.load("ec2"), await ServiceModel.load("ssm")];
    const codes = (action: string, query: string) => model.refusalOf(action, new URLSearchParams(query))?.code;
    assert.equal(codes("RunInstances", "MinCount=1&MaxCount=1&ImageId=ami-1&Filter.1.Name=a"), "UnknownParameter");
    assert.equal(codes("RunInstances", "MaxCount=1"), "MissingParameter");
    assert.equal(codes("RunInstances", "MinCount=one&MaxCount=1"), "InvalidParameterValue");
    assert.equal(
      codes("RunInstances", "MinCount=1&MaxCount=1&MetadataOptions.HttpTokens=yes"),
      "InvalidParameterValue",
    );
    assert.equal(codes("RunInstances", "MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.VolumeSize=8"), undefined);
    assert.equal(codes("CreateTags", "ResourceId.1=i-1&Tag.1.Key=a&Tag.1.Value=b"), undefined);
    assert.equal(codes("DescribeInstances", "MaxResults=1&InstanceIds.1=i-1"), "UnknownParameter");
    assert.equal(codes("MakeCoffee", ""), "InvalidAction");
    assert.equal(ssm.refusalOf("GetParameter", { Name: "/a" }), undefined);
    assert.equal(ssm.refusalOf("GetParameter", {})?.code, "ValidationException");
    assert.equal(ssm.refusalOf("GetParametersByPath", { Path: "/a", MaxResults: "ten" })?.code, "ValidationException");
    await refused(
      client.runInstances({ MinCount: 1, MaxCount: 1, InstanceType: "huge" as "t3.small" }),
      "InvalidParameterValue",
    );
  });

  it("refuses deprecation in the past or in eleven years, and hides others' deprecated images by default", async () => {
    const instance = await run();
    const { ImageId } = await client.createImage({ InstanceId: instance, Name: "own" });
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
    for (const days of [-1, 4100]) {
      await refused(client.enableImageDeprecation({ ImageId, DeprecateAt: inDays(days) }), "InvalidParameterValue");
    }
    await client.enableImageDeprecation({ ImageId, DeprecateAt: inDays(1) });
    const [own, theirs] = [ImageId!, baseImage.ami_id];
    for (const id of [own, theirs]) api.images.attributes.deprecate(id, inDays(-1).toISOString());
    const ids = async (query: object) => (await client.describeImages(query)).Images!.map((image) => image.ImageId);
    const named = { Filters: [{ Name: "name", Values: [baseImage.name] }] };
    assert.deepEqual(await ids(named), []);
    assert.deepEqual(await ids({ ...named, IncludeDeprecated: true }), [theirs]);
    assert.deepEqual(await ids({ ImageIds: [theirs] }), [theirs]);
    assert.deepEqual(await ids({ Owners: ["self"] }), [own]);
  });

  it("only starts stopped instances, makes images of settled ones, and launches available images", async () => {
    const id = await run();
    const { ImageId } = await client.createImage({ InstanceId: id, Name: "pending" });
    await refused(client.runInstances({ ImageId, MinCount: 1, MaxCount: 1 }), "InvalidAMIID.Unavailable");
    await api.settled();
    await run({ ImageId });
    await client.stopInstances({ InstanceIds: [id] });
    await api.settled();
    assert.equal((await look(id)).StateReason!.Code, "Client.UserInitiatedShutdown");
    await client.startInstances({ InstanceIds: [id] });
    await client.terminateInstances({ InstanceIds: [id] });
    await api.settled();
    for (const call of [client.startInstances({ InstanceIds: [id] }), client.stopInstances({ InstanceIds: [id] })]) {
      await refused(call, "IncorrectInstanceState");
    }
    await refused(client.createImage({ InstanceId: id, Name: "none" }), "IncorrectInstanceState");
  });

  it("only stops persistent spot instances, does not start interrupted ones, and relaunches terminated ones", async () => {
    await refused(run(spot({ SpotInstanceType: "persistent" })), "InvalidParameterCombination");
    await refused(run(spot({ InstanceInterruptionBehavior: "stop" })), "InvalidParameterCombination");
    await refused(run(spot({ ValidUntil: new Date(Date.now() + 60_000) })), "InvalidParameterCombination");
    const once = await run(spot(undefined));
    await refused(client.stopInstances({ InstanceIds: [once] }), "UnsupportedOperation");
    const id = await run(persistent);
    await api.interrupt(region, id);
    const { State, StateReason } = await look(id);
    assert.deepEqual([State!.Name, StateReason!.Code], ["stopped", "Server.SpotInstanceShutdown"]);
    await refused(client.startInstances({ InstanceIds: [id] }), "IncorrectSpotRequestState");
    const count = async () => {
      const alive = { Filters: [{ Name: "instance-state-name", Values: ["running", "stopped"] }] };
      return (await client.describeInstances(alive)).Reservations!.length;
    };
    const before = await count();
    await client.terminateInstances({ InstanceIds: [id] });
    await api.settled();
    assert.equal(await count(), before, "another instance replaces it");
    const other = await run(persistent);
    await api.interrupt(region, other);
    const request = (await look(other)).SpotInstanceRequestId!;
    await client.cancelSpotInstanceRequests({ SpotInstanceRequestIds: [request] });
    await api.settled();
    assert.equal((await look(other)).State!.Name, "terminated", "AWS terminates instances that it has stopped");
  });

  it("assigns a public address if a network interface or the subnet says so", async () => {
    const { Subnets } = await client.describeSubnets({});
    const [{ SubnetId }] = Subnets!;
    const withInterface = (AssociatePublicIpAddress: boolean) => ({
      NetworkInterfaces: [{ DeviceIndex: 0, SubnetId, AssociatePublicIpAddress }],
    });
    assert.equal((await look(await run(withInterface(false)))).PublicIpAddress, undefined);
    assert.ok((await look(await run({ SubnetId }))).PublicIpAddress);
    await client.modifySubnetAttribute({ SubnetId, MapPublicIpOnLaunch: { Value: false } });
    assert.equal((await look(await run({ SubnetId }))).PublicIpAddress, undefined);
    assert.ok((await look(await run(withInterface(true)))).PublicIpAddress);
  });

  it("can be made eventually consistent, and have policies, default encryption and unusable keys", async () => {
    api.rules.on.add("eventual consistency");
    const { Instances } = await client.runInstances({ ImageId: baseImage.ami_id, MinCount: 1, MaxCount: 1 });
    const id = Instances![0].InstanceId!;
    await refused(client.describeInstances({ InstanceIds: [id] }), "InvalidInstanceID.NotFound");
    assert.ok(await look(id));
    api.rules.on.add("deny IMDSv1").add("deny unencrypted disks");
    const metadata = { MetadataOptions: { HttpTokens: "required" as const } };
    const disk = (Encrypted: boolean) => ({
      BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { Encrypted, VolumeSize: 8 } }],
    });
    await refused(run(disk(true)), "UnauthorizedOperation");
    await refused(run({ ...metadata, ...disk(false) }), "UnauthorizedOperation");
    await run({ ...metadata, ...disk(true) });
    await client.enableEbsEncryptionByDefault({});
    const encrypted = await run({ ...metadata, ...disk(false) });
    api.rules.reset();
    const Filters = [{ Name: "attachment.instance-id", Values: [encrypted] }];
    assert.equal((await client.describeVolumes({ Filters })).Volumes![0].Encrypted, true);
    api.faults.endNextInstance(unusableKey);
    const { State, StateReason } = await look(await run());
    assert.deepEqual([State!.Name, StateReason!.Code], ["terminated", unusableKey.code]);
  });
});
