// aws:ec2/instance:Instance, modelled on internal/service/ec2/ec2_instance.go of hashicorp/terraform-provider-aws.
import {
  CreateTagsCommand,
  DeleteTagsCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type BlockDeviceMapping,
  type EC2Client,
  type Instance,
  type RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import type { Values } from "../bridge.ts";
import { InitFailed, type StandInType } from "../stand-in.ts";
import { clientFor, regionOf, tagList, tagMap, unlessGone, waitFor, type Account } from "./client.ts";

/** The resource type. */
export function instance(account: Account): StandInType {
  return {
    replaceOn: [
      ...["ami", "associatePublicIpAddress", "availabilityZone", "instanceMarketOptions", "keyName", "privateIp"],
      ...["region", "rootBlockDevice.encrypted", "rootBlockDevice.kmsKeyId", "securityGroups", "subnetId", "tenancy"],
      // The test cloud always behaves like userDataReplaceOnChange.
      "userData",
    ],

    async create(inputs, context) {
      const client = clientFor(account, inputs, context);
      const { Instances } = await client.send(new RunInstancesCommand(await requestOf(client, inputs)));
      const id = Instances![0].InstanceId!;
      const region = regionOf(account, inputs, context);
      const state = async () => {
        const found = (await find(client, id)) ?? Instances![0];
        return { ...inputs, ...stateOf(found), ...(await diskOf(client, found, inputs)), region };
      };
      try {
        const look = async () => (await find(client, id))?.State?.Name;
        // Like the provider, look 20 times for an instance that is not visible yet.
        const unseen = { times: 20 };
        await waitFor(`waiting for EC2 Instance (${id}) create`, "running", ["pending"], look, context.signal, unseen);
      } catch (error) {
        throw new InitFailed(id, await state(), (error as Error).message);
      }
      return { id, state: await state() };
    },

    async read(id, state, context) {
      const client = clientFor(account, state, context);
      const found = await find(client, id);
      return found && { ...state, ...stateOf(found), ...(await diskOf(client, found, state)) };
    },

    async update(id, inputs, changed, state, context) {
      const other = changed.filter((key) => key !== "tags");
      if (other.length > 0) throw new Error(`the test cloud changes no ${other.join(", ")} of a running instance`);
      const client = clientFor(account, inputs, context);
      await client.send(new DeleteTagsCommand({ Resources: [id], Tags: tagList(state.tags) }));
      await client.send(new CreateTagsCommand({ Resources: [id], Tags: tagList(inputs.tags) }));
      return { ...state, ...inputs, tagsAll: inputs.tags };
    },

    async delete(id, state, context) {
      const client = clientFor(account, state, context);
      const asked = await unlessGone(client.send(new TerminateInstancesCommand({ InstanceIds: [id] })));
      if (!asked) return;
      const pending = ["pending", "running", "shutting-down", "stopped", "stopping"];
      const look = async () => (await find(client, id))?.State?.Name;
      await waitFor(`waiting for EC2 Instance (${id}) delete`, undefined, pending, look, context.signal);
    },
  };
}

async function requestOf(client: EC2Client, inputs: Values): Promise<RunInstancesCommandInput> {
  const word = (key: string) => inputs[key] as string | undefined;
  const { vpcSecurityGroupIds, metadataOptions, instanceMarketOptions, rootBlockDevice } = inputs as {
    vpcSecurityGroupIds?: string[];
    metadataOptions?: Record<string, unknown>;
    instanceMarketOptions?: { marketType?: "spot"; spotOptions?: Record<string, string> };
    rootBlockDevice?: Record<string, unknown>;
  };
  const userData = word("userDataBase64") ?? Buffer.from(word("userData") ?? "").toString("base64");
  const subnet = word("subnetId");
  // buildNetworkInterfaceOpts only adds a network interface with a subnet. Without one, the public address setting is
  // lost.
  const network =
    subnet === undefined
      ? { SecurityGroupIds: vpcSecurityGroupIds }
      : {
          NetworkInterfaces: [
            {
              DeviceIndex: 0,
              AssociatePublicIpAddress: inputs.associatePublicIpAddress as boolean | undefined,
              SubnetId: subnet,
              Groups: vpcSecurityGroupIds,
            },
          ],
        };
  return {
    MinCount: 1,
    MaxCount: 1,
    ImageId: word("ami"),
    InstanceType: word("instanceType") as RunInstancesCommandInput["InstanceType"],
    KeyName: word("keyName"),
    ...(userData !== "" && { UserData: userData }),
    ...network,
    InstanceInitiatedShutdownBehavior: word("instanceInitiatedShutdownBehavior") as "stop" | "terminate" | undefined,
    ...(inputs.iamInstanceProfile !== undefined && { IamInstanceProfile: { Name: word("iamInstanceProfile") } }),
    // The provider's own default for these types.
    ...(word("instanceType")?.startsWith("t3") && { CreditSpecification: { CpuCredits: "unlimited" } }),
    ...(instanceMarketOptions && { InstanceMarketOptions: marketOptions(instanceMarketOptions) }),
    ...(metadataOptions && {
      MetadataOptions: {
        HttpTokens: metadataOptions.httpTokens as "required" | "optional" | undefined,
        HttpEndpoint: metadataOptions.httpEndpoint as "enabled" | undefined,
        HttpPutResponseHopLimit: metadataOptions.httpPutResponseHopLimit as number | undefined,
      },
    }),
    ...(rootBlockDevice && { BlockDeviceMappings: [await rootMapping(client, word("ami")!, rootBlockDevice)] }),
    TagSpecifications: [
      ...(inputs.tags ? [{ ResourceType: "instance" as const, Tags: tagList(inputs.tags) }] : []),
      ...(inputs.volumeTags ? [{ ResourceType: "volume" as const, Tags: tagList(inputs.volumeTags) }] : []),
    ],
  };
}

function marketOptions({ marketType, spotOptions }: { marketType?: "spot"; spotOptions?: Record<string, string> }) {
  const { spotInstanceType, instanceInterruptionBehavior, validUntil, maxPrice } = spotOptions ?? {};
  return {
    MarketType: marketType,
    ...(spotOptions && {
      SpotOptions: {
        SpotInstanceType: spotInstanceType as "persistent" | undefined,
        InstanceInterruptionBehavior: instanceInterruptionBehavior as "stop" | undefined,
        ...(validUntil !== undefined && { ValidUntil: new Date(validUntil) }),
        MaxPrice: maxPrice,
      },
    }),
  };
}

/** Builds the root device mapping. Like the provider, looks up the image's root device name. */
async function rootMapping(
  client: EC2Client,
  ami: string,
  device: Record<string, unknown>,
): Promise<BlockDeviceMapping> {
  const { Images } = await client.send(new DescribeImagesCommand({ ImageIds: [ami] }));
  return {
    DeviceName: Images![0].RootDeviceName,
    Ebs: {
      VolumeSize: device.volumeSize as number | undefined,
      VolumeType: device.volumeType as "gp3" | undefined,
      // `false` is never sent.
      ...(device.encrypted === true && { Encrypted: true }),
      KmsKeyId: device.kmsKeyId as string | undefined,
      DeleteOnTermination: (device.deleteOnTermination as boolean | undefined) ?? true,
    },
  };
}

/** Finds an instance. Terminated ones don't count. */
async function find(client: EC2Client, id: string): Promise<Instance | undefined> {
  const found = await unlessGone(client.send(new DescribeInstancesCommand({ InstanceIds: [id] })));
  const instance = found?.Reservations?.[0]?.Instances?.[0];
  return instance?.State?.Name === "terminated" ? undefined : instance;
}

function stateOf(found: Instance): Values {
  const tags = tagMap(found.Tags);
  return {
    ami: found.ImageId,
    arn: `arn:aws:ec2:${found.Placement?.AvailabilityZone?.slice(0, -1)}:123456789012:instance/${found.InstanceId}`,
    availabilityZone: found.Placement?.AvailabilityZone,
    instanceState: found.State?.Name,
    instanceType: found.InstanceType,
    keyName: found.KeyName,
    privateIp: found.PrivateIpAddress,
    publicIp: found.PublicIpAddress,
    // Like the official provider, false for stopped machines:
    // https://github.com/hashicorp/terraform-provider-aws/issues/33775
    associatePublicIpAddress: found.PublicIpAddress !== undefined,
    subnetId: found.SubnetId,
    tags,
    tagsAll: tags,
    // moto lists them only at the interface.
    vpcSecurityGroupIds: found.NetworkInterfaces?.[0]?.Groups?.map(({ GroupId }) => GroupId),
  };
}

/** The actual root disk instead of the requested one, like readBlockDevicesFromInstance. */
async function diskOf(client: EC2Client, found: Instance, known: Values): Promise<Values> {
  const volumeId = found.BlockDeviceMappings?.[0]?.Ebs?.VolumeId;
  if (volumeId === undefined) return {};
  const { Volumes } = await client.send(new DescribeVolumesCommand({ VolumeIds: [volumeId] }));
  const { Encrypted, KmsKeyId, Size, VolumeType } = Volumes![0];
  return {
    rootBlockDevice: {
      ...(known.rootBlockDevice as object | undefined),
      ...{ deviceName: found.RootDeviceName, volumeId, encrypted: Encrypted, volumeSize: Size, volumeType: VolumeType },
      ...(KmsKeyId !== undefined && { kmsKeyId: KmsKeyId }),
    },
  };
}
