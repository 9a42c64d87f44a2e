// Finds the EC2 Instance Connect Endpoint of a VPC, from which tunnels reach its machines. We don't create one: a VPC
// can have only a few, and they take minutes to make.
import { UserError } from "../../../../common/user-error.ts";
import { asking, ec2 } from "../client.ts";
import { instanceConnect } from "../../contract.ts";
import { answer } from "../../../../provider/resource.ts";

export const ec2InstanceConnect = answer(instanceConnect, async ({ region, vpc }) => {
  const client = await ec2(region);
  const { InstanceConnectEndpoints = [] } = await asking(`looking for an Instance Connect Endpoint in ${region}`, () =>
    client.describeInstanceConnectEndpoints({ Filters: [{ Name: "vpc-id", Values: [vpc] }] }),
  );
  const found = InstanceConnectEndpoints.find(({ State }) => State === "create-complete");
  if (found) return { groups: found.SecurityGroupIds ?? [], preservesClientIp: found.PreserveClientIp ?? false };
  throw new UserError({
    where: "stack setting ci-images:ec2.tunnel",
    found: `instance-connect, but ${vpc} in ${region} has no EC2 Instance Connect Endpoint that is ready`,
    cure: `aws ec2 create-instance-connect-endpoint --region ${region} --subnet-id SUBNET, once for the VPC`,
  });
});
