// Spot or on-demand? The official instance resource can't fall back, so this one finds out first, by the only way that
// AWS has: it asks for a spot machine of the same kind, and ends it as soon as AWS has promised it.
import type { EC2, _InstanceType } from "@aws-sdk/client-ec2";
import { asking, ec2, errorCode } from "../../ec2/client.ts";
import { terminateInstances } from "../../ec2/machines.ts";
import { tagNames } from "../../../common/ec2-tags.ts";
import { findInstances, type Tags } from "../../ec2/things.ts";
import type { ResourceType } from "../../resource.ts";

export interface MarketInputs {
  region: string;
  /** The name that the machine's lease gave: what is left of a probe goes with the lease. */
  machine: string;
  instanceType: string;
  /** The AMI that the machine will be started from. */
  image: string;
  subnet?: string;
  /** For the probe. */
  tags: Record<string, string>;
}

export interface MarketState extends MarketInputs {
  market: "spot" | "on-demand";
}

/** AWS's codes for: not now, not here, not so many. */
const noSpot =
  /^(InsufficientInstanceCapacity|SpotMaxPriceTooLow|MaxSpotInstanceCountExceeded|InsufficientCapacity|Unsupported|InsufficientFreeAddressesInSubnet)$/;

/** `ci-images:ec2:Market`. */
export const market: ResourceType<MarketInputs, MarketState> = {
  token: "ci-images:ec2:Market",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string" },
      machine: { type: "string" },
      instanceType: { type: "string" },
      image: { type: "string" },
      subnet: { type: "string" },
      tags: { type: "object" },
    },
    required: ["region", "machine", "instanceType", "image", "tags"],
  },
  replaceOn: ["region", "machine", "instanceType", "subnet"],
  async create(inputs, context) {
    const { region, machine, instanceType } = inputs;
    return asking(`asking for spot capacity of ${instanceType} in ${region}`, async () => {
      const refused = await probe(await ec2(region), inputs);
      const mine = { [tagNames.machine]: machine };
      await terminateInstances(region, await findInstances(region, mine), context);
      if (refused !== undefined) context.progress(`no spot capacity (${refused}): takes an on-demand machine`);
      return { id: machine, outputs: { ...inputs, market: refused === undefined ? "spot" : "on-demand" } };
    });
  },
};

/** @returns AWS's reason for refusing; undefined when it would give us one. */
async function probe(client: EC2, { machine, instanceType, image, subnet, tags }: MarketInputs) {
  const all: Tags = { ...tags, [tagNames.machine]: machine };
  const Tags = Object.entries(all).map(([Key, Value]) => ({ Key, Value }));
  try {
    await client.runInstances({
      ImageId: image,
      InstanceType: instanceType as _InstanceType,
      MinCount: 1,
      MaxCount: 1,
      SubnetId: subnet,
      InstanceMarketOptions: { MarketType: "spot" },
      TagSpecifications: ["instance" as const, "volume" as const].map((ResourceType) => ({ ResourceType, Tags })),
    });
    return undefined;
  } catch (error) {
    if (noSpot.test(errorCode(error))) return errorCode(error);
    throw error;
  }
}
