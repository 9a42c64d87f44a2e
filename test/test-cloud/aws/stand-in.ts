// The stand-in for Pulumi's aws plugin, with the resource types that components/ec2 declares.
import type { StandIn } from "../stand-in.ts";
import type { Account } from "./client.ts";
import { amiCopy, amiFromInstance } from "./images.ts";
import { instance } from "./instance.ts";
import { instanceState } from "./instance-state.ts";
import { amiLaunchPermission, keyPair, securityGroup, tag } from "./small.ts";

/** The plugin for the test cloud's EC2. */
export function awsStandIn(account: Account): StandIn {
  return {
    package: "aws",
    types: {
      "aws:ec2/amiCopy:AmiCopy": amiCopy(account),
      "aws:ec2/amiFromInstance:AmiFromInstance": amiFromInstance(account),
      "aws:ec2/amiLaunchPermission:AmiLaunchPermission": amiLaunchPermission(account),
      "aws:ec2/instance:Instance": instance(account),
      "aws:ec2/keyPair:KeyPair": keyPair(account),
      "aws:ec2/securityGroup:SecurityGroup": securityGroup(account),
      "aws:ec2/tag:Tag": tag(account),
      "aws:ec2transitgateway/instanceState:InstanceState": instanceState(account),
    },
  };
}
