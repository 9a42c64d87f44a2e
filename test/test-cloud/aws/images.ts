// aws:ec2/amiFromInstance:AmiFromInstance and aws:ec2/amiCopy:AmiCopy, which differ only in their creation. Modelled on
// internal/service/ec2/ec2_ami*.go of hashicorp/terraform-provider-aws.
import {
  CopyImageCommand,
  CreateImageCommand,
  CreateTagsCommand,
  DeleteSnapshotCommand,
  DeleteTagsCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DisableImageDeprecationCommand,
  EnableImageDeprecationCommand,
  ModifyImageAttributeCommand,
  type EC2Client,
  type Image,
} from "@aws-sdk/client-ec2";
import type { Values } from "../bridge.ts";
import { InitFailed, type StandInType } from "../stand-in.ts";
import { clientFor, regionOf, tagList, tagMap, tagNew, unlessGone, waitFor, type Account } from "./client.ts";

/** The type that makes an image of an instance. */
export function amiFromInstance(account: Account): StandInType {
  return {
    ...ami(account, async (client, inputs) => {
      const { ImageId } = await client.send(
        new CreateImageCommand({
          Name: inputs.name as string,
          Description: inputs.description as string | undefined,
          InstanceId: inputs.sourceInstanceId as string,
          NoReboot: (inputs.snapshotWithoutReboot as boolean | undefined) ?? false,
          // Tags only the image, not its snapshots.
          ...(inputs.tags
            ? { TagSpecifications: [{ ResourceType: "image" as const, Tags: tagList(inputs.tags) }] }
            : {}),
        }),
      );
      return ImageId!;
    }),
    replaceOn: ["name", "sourceInstanceId", "snapshotWithoutReboot", "ephemeralBlockDevices", "region"],
  };
}

/** The type that copies an image from another region. */
export function amiCopy(account: Account): StandInType {
  return {
    ...ami(account, async (client, inputs, signal) => {
      const { ImageId } = await client.send(
        new CopyImageCommand({
          Name: inputs.name as string,
          Description: inputs.description as string | undefined,
          SourceImageId: inputs.sourceAmiId as string,
          SourceRegion: inputs.sourceAmiRegion as string,
          Encrypted: inputs.encrypted as boolean | undefined,
          KmsKeyId: inputs.kmsKeyId as string | undefined,
        }),
      );
      if (inputs.tags) await tagNew(client, ImageId!, inputs.tags, signal);
      return ImageId!;
    }),
    replaceOn: [
      ...["name", "sourceAmiId", "sourceAmiRegion", "encrypted", "kmsKeyId", "ephemeralBlockDevices", "region"],
      "destinationOutpostArn",
    ],
  };
}

function ami(
  account: Account,
  make: (client: EC2Client, inputs: Values, signal: AbortSignal) => Promise<string>,
): Omit<StandInType, "replaceOn"> {
  return {
    defaults: ({ name }, urnName) => (name === undefined ? { name: urnName } : {}),
    takesAway: ["deprecationTime"],

    async create(inputs, context) {
      const client = clientFor(account, inputs, context);
      const id = await make(client, inputs, context.signal);
      const region = regionOf(account, inputs, context);
      // Set only on creation. Without it, a deletion leaves the snapshots behind.
      const created = { ...inputs, region, manageEbsSnapshots: true };
      try {
        await waitFor(
          `waiting for EC2 AMI (${id}) create`,
          "available",
          ["pending"],
          async () => (await find(client, id))?.State,
          context.signal,
          { times: 20 },
        );
        if (inputs.deprecationTime !== undefined) await deprecate(client, id, inputs.deprecationTime);
      } catch (error) {
        throw new InitFailed(id, created, (error as Error).message);
      }
      return { id, state: { ...created, ...stateOf((await find(client, id))!) } };
    },

    async read(id, state, context) {
      const found = await find(clientFor(account, state, context), id);
      return found && { ...state, ...stateOf(found), region: regionOf(account, state, context) };
    },

    async update(id, inputs, changed, state, context) {
      const client = clientFor(account, inputs, context);
      if (changed.includes("description")) {
        const Description = { Value: inputs.description as string };
        await client.send(new ModifyImageAttributeCommand({ ImageId: id, Description }));
      }
      if (changed.includes("deprecationTime")) await deprecate(client, id, inputs.deprecationTime);
      if (changed.includes("tags")) {
        await client.send(new DeleteTagsCommand({ Resources: [id], Tags: tagList(state.tags) }));
        await client.send(new CreateTagsCommand({ Resources: [id], Tags: tagList(inputs.tags) }));
      }
      return { ...state, ...inputs, ...stateOf((await find(client, id))!) };
    },

    async delete(id, state, context) {
      const client = clientFor(account, state, context);
      const asked = await unlessGone(client.send(new DeregisterImageCommand({ ImageId: id })));
      // If the image is already gone, the provider returns without looking at its snapshots.
      if (!asked || !state.manageEbsSnapshots) return;
      for (const { snapshotId } of (state.ebsBlockDevices ?? []) as { snapshotId?: string }[]) {
        if (snapshotId !== undefined) await client.send(new DeleteSnapshotCommand({ SnapshotId: snapshotId }));
      }
    },
  };
}

async function deprecate(client: EC2Client, id: string, time: unknown): Promise<void> {
  if (time === undefined) await client.send(new DisableImageDeprecationCommand({ ImageId: id }));
  else await client.send(new EnableImageDeprecationCommand({ ImageId: id, DeprecateAt: new Date(time as string) }));
}

async function find(client: EC2Client, id: string): Promise<Image | undefined> {
  return (await unlessGone(client.send(new DescribeImagesCommand({ ImageIds: [id] }))))?.Images?.[0];
}

function stateOf(found: Image): Values {
  const tags = tagMap(found.Tags);
  return {
    architecture: found.Architecture,
    arn: `arn:aws:ec2:::image/${found.ImageId}`,
    bootMode: found.BootMode,
    deprecationTime: found.DeprecationTime,
    description: found.Description,
    ebsBlockDevices: (found.BlockDeviceMappings ?? []).map(({ DeviceName, Ebs }) => ({
      deviceName: DeviceName,
      snapshotId: Ebs?.SnapshotId,
      volumeSize: Ebs?.VolumeSize,
    })),
    imageLocation: found.ImageLocation,
    name: found.Name,
    ownerId: found.OwnerId,
    rootDeviceName: found.RootDeviceName,
    rootSnapshotId: found.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId,
    tags,
    tagsAll: tags,
    virtualizationType: found.VirtualizationType,
  };
}
