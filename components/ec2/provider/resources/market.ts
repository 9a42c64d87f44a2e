// Decides between spot and on-demand. The official instance resource can't fall back, so this one probes first, in the
// only way AWS offers: it launches a spot machine with the same settings, and ends it as soon as it runs.
import type { _InstanceType, Instance, RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { UserError } from "../../../../common/user-error.ts";
import { asking, ec2, errorCode } from "../client.ts";
import { stateReason, terminateInstances } from "../machines.ts";
import { tagNames } from "../../facts/tags.ts";
import { findImage, findInstance, type Tags } from "../tagged-resources.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Market } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { waitFor } from "../../../../provider/kit/wait.ts";

type MarketInputs = InputsOf<typeof Market>;

/** AWS's error codes for a lack of spot capacity. */
const noSpot =
  /^(InsufficientInstanceCapacity|SpotMaxPriceTooLow|MaxSpotInstanceCountExceeded|InsufficientCapacity|Unsupported|InsufficientFreeAddressesInSubnet)$/;

/**
 * AWS's codes for a spot machine that it ended before it ran:
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
 */
const takenBack = /^Server\.(InsufficientInstanceCapacity|SpotInstanceTermination|SpotInstanceShutdown)$/;

/** Seconds until the probe must run; a new instance may take minutes to become visible. */
const probeSeconds = 300;

/** Minutes after which the probe ends itself, even if this process is gone. */
const probeMinutes = 10;

export const market = implement(Market, {
  async create(inputs, context) {
    const { region, machine, madeWith } = inputs;
    if (!madeWith.spot) return { id: machine, outputs: { ...inputs, market: "on-demand" as const } };
    const doing = `asking for spot capacity of ${madeWith.instanceType} in ${region}`;
    const refused = await asking(doing, () => probe(inputs, context), cures);
    if (refused !== undefined) context.progress(`no spot capacity (${refused}): using an on-demand machine`);
    const market = refused === undefined ? ("spot" as const) : ("on-demand" as const);
    return { id: machine, outputs: { ...inputs, market } };
  },
});

const cures = {
  "AuthFailure.ServiceLinkedRoleCreationNotPermitted":
    "once for the account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
};

/** @returns AWS's reason for refusing; undefined if it grants a spot machine. */
async function probe(inputs: MarketInputs, context: Context): Promise<string | undefined> {
  const { region, madeWith } = inputs;
  const { kmsKey } = madeWith.disk;
  const client = await ec2(region);
  let id: string;
  try {
    const { Instances } = await client.runInstances(await requestOf(inputs));
    id = Instances![0].InstanceId!;
  } catch (error) {
    if (noSpot.test(errorCode(error))) return errorCode(error);
    throw error;
  }
  const instance = await launched(region, id, context);
  await terminateInstances(region, [instance], context);
  const { State, StateReason } = instance;
  if (State?.Name === "running") return undefined;
  if (takenBack.test(StateReason?.Code ?? "")) return StateReason!.Code;
  const isKey = StateReason?.Code === "Client.InternalError" && kmsKey !== undefined;
  throw new UserError({
    where: `spot instance ${id} in ${region}`,
    found: `AWS ended it right after launch: ${stateReason(instance)}`,
    cure: isKey
      ? `most likely the role AWSServiceRoleForEC2Spot may not use ${kmsKey}: docs/ec2.md has the grant that it needs`
      : "see `aws ec2 describe-instances` and AWS's page on instances that terminate immediately, or set ci-images:ec2.spot to false",
  });
}

/** Waits until the probe runs or has ended. A new instance is not always visible at once. */
async function launched(region: string, id: string, context: Context): Promise<Instance> {
  return waitFor<Instance>(
    {
      what: `spot instance ${id} in ${region}`,
      until: "to be running",
      deadline: probeSeconds,
      lookAt: `aws ec2 describe-instances --region ${region} --instance-ids ${id}`,
      async look() {
        const instance = await findInstance(region, id);
        const state = instance?.State?.Name ?? "not seen yet";
        return !instance || state === "pending" ? { state } : { done: instance };
      },
    },
    context,
  );
}

/** The same request as the official provider's for the machine itself (arguments in components/ec2/machine.ts). */
async function requestOf(inputs: MarketInputs): Promise<RunInstancesCommandInput> {
  const { region, machine, image, madeWith, tags } = inputs;
  const { instanceType, subnet, publicAddress, instanceProfile, disk } = madeWith;
  const all: Tags = { ...tags, [tagNames.machine]: machine };
  const Tags = Object.entries(all).map(([Key, Value]) => ({ Key, Value }));
  return {
    ImageId: image,
    InstanceType: instanceType as _InstanceType,
    MinCount: 1,
    MaxCount: 1,
    NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: subnet, AssociatePublicIpAddress: publicAddress }],
    ...(instanceProfile !== undefined && { IamInstanceProfile: { Name: instanceProfile } }),
    MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: 1 },
    BlockDeviceMappings: [
      {
        DeviceName: (await findImage(region, image))?.RootDeviceName ?? "/dev/xvda",
        Ebs: {
          VolumeSize: disk.size,
          VolumeType: "gp3",
          DeleteOnTermination: true,
          ...(disk.encrypted && { Encrypted: true, KmsKeyId: disk.kmsKey }),
        },
      },
    ],
    InstanceMarketOptions: { MarketType: "spot" },
    InstanceInitiatedShutdownBehavior: "terminate",
    UserData: Buffer.from(`#!/bin/sh\nshutdown -P +${probeMinutes}\n`).toString("base64"),
    TagSpecifications: ["instance" as const, "volume" as const].map((ResourceType) => ({ ResourceType, Tags })),
  };
}
