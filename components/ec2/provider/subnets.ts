// Finds the default subnets that a machine can start in. AWS could choose one itself, but only a request that names a
// subnet can control the public address: otherwise the official provider specifies no network interface
// (buildNetworkInterfaceOpts of internal/service/ec2/ec2_instance.go, hashicorp/terraform-provider-aws).
import type { Subnet } from "@aws-sdk/client-ec2";
import { ec2 } from "./client.ts";

/**
 * Default subnets of a VPC in zones that have an instance type, sorted by zone name so that the next bake picks the
 * same one.
 * @returns none if the account has deleted them, or no zone has the type.
 */
export async function defaultSubnets(region: string, vpc: string, instanceType: string): Promise<Subnet[]> {
  const client = await ec2(region);
  const [{ Subnets = [] }, { InstanceTypeOfferings = [] }] = await Promise.all([
    client.describeSubnets({
      Filters: [
        { Name: "vpc-id", Values: [vpc] },
        { Name: "default-for-az", Values: ["true"] },
      ],
    }),
    client.describeInstanceTypeOfferings({
      LocationType: "availability-zone",
      Filters: [{ Name: "instance-type", Values: [instanceType] }],
    }),
  ]);
  const zones = new Set(InstanceTypeOfferings.map(({ Location }) => Location));
  const usable = Subnets.filter(({ AvailabilityZone }) => zones.has(AvailabilityZone));
  return usable.sort((a, b) => a.AvailabilityZone!.localeCompare(b.AvailabilityZone!));
}
