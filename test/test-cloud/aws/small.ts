// The small AWS resource types: key pairs, security groups, launch permissions, single tags.
import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  CreateTagsCommand,
  DeleteKeyPairCommand,
  DeleteSecurityGroupCommand,
  DeleteTagsCommand,
  DescribeImageAttributeCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeTagsCommand,
  ImportKeyPairCommand,
  ModifyImageAttributeCommand,
  RevokeSecurityGroupEgressCommand,
  type IpPermission,
  type LaunchPermission,
} from "@aws-sdk/client-ec2";
import type { Values } from "../bridge.ts";
import type { StandInType } from "../stand-in.ts";
import { clientFor, regionOf, tagList, tagMap, unlessGone, waitFor, type Account } from "./client.ts";

/** aws:ec2/keyPair:KeyPair. */
export function keyPair(account: Account): StandInType {
  return {
    nameInput: "keyName",
    replaceOn: ["keyName", "keyNamePrefix", "publicKey", "region"],
    defaults: ({ keyName, keyNamePrefix }, name) => ((keyName ?? keyNamePrefix) ? {} : { keyName: name }),
    async create(inputs, context) {
      const client = clientFor(account, inputs, context);
      const request = {
        KeyName: inputs.keyName as string,
        PublicKeyMaterial: Buffer.from(inputs.publicKey as string),
        ...(inputs.tags
          ? { TagSpecifications: [{ ResourceType: "key-pair" as const, Tags: tagList(inputs.tags) }] }
          : {}),
      };
      const { KeyPairId, KeyFingerprint } = await client.send(new ImportKeyPairCommand(request));
      const state = { ...inputs, keyPairId: KeyPairId, fingerprint: KeyFingerprint, tagsAll: inputs.tags ?? {} };
      return { id: inputs.keyName as string, state: { ...state, region: regionOf(account, inputs, context) } };
    },
    async read(id, state, context) {
      const client = clientFor(account, state, context);
      const found = await unlessGone(client.send(new DescribeKeyPairsCommand({ KeyNames: [id] })));
      const key = found?.KeyPairs?.[0];
      return key && { ...state, keyName: id, keyPairId: key.KeyPairId, tags: tagMap(key.Tags) };
    },
    async delete(id, state, context) {
      await clientFor(account, state, context).send(new DeleteKeyPairCommand({ KeyName: id }));
    },
  };
}

interface Rule {
  protocol: string;
  fromPort: number;
  toPort: number;
  cidrBlocks?: string[];
  ipv6CidrBlocks?: string[];
  description?: string;
  securityGroups?: string[];
}

/** aws:ec2/securityGroup:SecurityGroup, with inline rules. */
export function securityGroup(account: Account): StandInType {
  return {
    replaceOn: ["description", "name", "namePrefix", "region", "vpcId"],
    defaults: ({ name, namePrefix, description }, urnName) => ({
      ...((name ?? namePrefix) ? {} : { name: urnName }),
      ...(description === undefined && { description: "Managed by Pulumi" }),
    }),
    async create(inputs, context) {
      const client = clientFor(account, inputs, context);
      const { GroupId } = await client.send(
        new CreateSecurityGroupCommand({
          GroupName: inputs.name as string,
          Description: inputs.description as string,
          VpcId: inputs.vpcId as string | undefined,
          ...(inputs.tags
            ? { TagSpecifications: [{ ResourceType: "security-group" as const, Tags: tagList(inputs.tags) }] }
            : {}),
        }),
      );
      const look = () => unlessGone(client.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId!] })));
      const isThere = async () => ((await look()) ? "there" : undefined);
      await waitFor(`waiting for Security Group (${GroupId})`, "there", [], isThere, context.signal, { times: 20 });
      // Like the provider, remove the rule that EC2 adds to every new group.
      const everywhere = { IpProtocol: "-1", IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
      await client.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [everywhere] }));
      const [ingress, egress] = [permissions(inputs.ingress), permissions(inputs.egress)];
      if (ingress.length > 0) {
        await client.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: ingress }));
      }
      if (egress.length > 0) {
        await client.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: egress }));
      }
      const state = { ...inputs, tagsAll: inputs.tags ?? {}, region: regionOf(account, inputs, context) };
      return { id: GroupId!, state };
    },
    async read(id, state, context) {
      const client = clientFor(account, state, context);
      const found = await unlessGone(client.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] })));
      const group = found?.SecurityGroups?.[0];
      return group && { ...state, name: group.GroupName, vpcId: group.VpcId, tags: tagMap(group.Tags) };
    },
    async update(_id, _inputs, changed) {
      throw new Error(`the test cloud changes no ${changed.join(", ")} of a security group`);
    },
    async delete(id, state, context) {
      await unlessGone(clientFor(account, state, context).send(new DeleteSecurityGroupCommand({ GroupId: id })));
    },
  };
}

function permissions(rules: unknown): IpPermission[] {
  return ((rules ?? []) as Rule[]).map(
    ({ protocol, fromPort, toPort, cidrBlocks, ipv6CidrBlocks, securityGroups }) => ({
      IpProtocol: protocol,
      // "-1" means all protocols, which have no ports.
      ...(protocol === "-1" ? {} : { FromPort: fromPort, ToPort: toPort }),
      IpRanges: (cidrBlocks ?? []).map((CidrIp) => ({ CidrIp })),
      UserIdGroupPairs: (securityGroups ?? []).map((GroupId) => ({ GroupId })),
      Ipv6Ranges: (ipv6CidrBlocks ?? []).map((CidrIpv6) => ({ CidrIpv6 })),
    }),
  );
}

/** aws:ec2/amiLaunchPermission:AmiLaunchPermission. */
export function amiLaunchPermission(account: Account): StandInType {
  return {
    replaceOn: ["accountId", "group", "imageId", "organizationArn", "organizationalUnitArn", "region"],
    async create(inputs, context) {
      const chosen = ["accountId", "group", "organizationArn", "organizationalUnitArn"].filter((key) => inputs[key]);
      if (chosen.length !== 1) throw new Error(`exactly one of accountId, group, ...: ${chosen.join(", ")}`);
      const LaunchPermission = { Add: [permissionOf(inputs)] };
      const client = clientFor(account, inputs, context);
      await client.send(new ModifyImageAttributeCommand({ ImageId: inputs.imageId as string, LaunchPermission }));
      const id = `${inputs[chosen[0]] as string}-${inputs.imageId as string}`;
      return { id, state: { ...inputs, region: regionOf(account, inputs, context) } };
    },
    async read(_id, state, context) {
      const request = { ImageId: state.imageId as string, Attribute: "launchPermission" as const };
      const client = clientFor(account, state, context);
      const found = await unlessGone(client.send(new DescribeImageAttributeCommand(request)));
      const wanted = Object.entries(permissionOf(state)).find(([, value]) => value !== undefined)!;
      const permissions = (found?.LaunchPermissions ?? []) as Record<string, unknown>[];
      return permissions.some((each) => each[wanted[0]] === wanted[1]) ? state : undefined;
    },
    async delete(_id, state, context) {
      const LaunchPermission = { Remove: [permissionOf(state)] };
      const request = { ImageId: state.imageId as string, LaunchPermission };
      await unlessGone(clientFor(account, state, context).send(new ModifyImageAttributeCommand(request)));
    },
  };
}

function permissionOf(values: Values): LaunchPermission {
  return {
    UserId: values.accountId as string | undefined,
    Group: values.group as "all" | undefined,
    OrganizationArn: values.organizationArn as string | undefined,
    OrganizationalUnitArn: values.organizationalUnitArn as string | undefined,
  };
}

/** aws:ec2/tag:Tag. */
export function tag(account: Account): StandInType {
  return {
    replaceOn: ["key", "region", "resourceId"],
    async create(inputs, context) {
      const request = {
        Resources: [inputs.resourceId as string],
        Tags: [{ Key: inputs.key as string, Value: inputs.value as string }],
      };
      await clientFor(account, inputs, context).send(new CreateTagsCommand(request));
      const id = `${inputs.resourceId as string},${inputs.key as string}`;
      return { id, state: { ...inputs, region: regionOf(account, inputs, context) } };
    },
    async read(_id, state, context) {
      const Filters = [
        { Name: "resource-id", Values: [state.resourceId as string] },
        { Name: "key", Values: [state.key as string] },
      ];
      const { Tags } = await clientFor(account, state, context).send(new DescribeTagsCommand({ Filters }));
      return Tags?.[0] && { ...state, value: Tags[0].Value };
    },
    async update(_id, inputs, _changed, state, context) {
      const request = {
        Resources: [inputs.resourceId as string],
        Tags: [{ Key: inputs.key as string, Value: inputs.value as string }],
      };
      await clientFor(account, inputs, context).send(new CreateTagsCommand(request));
      return { ...state, ...inputs };
    },
    async delete(_id, state, context) {
      const request = { Resources: [state.resourceId as string], Tags: [{ Key: state.key as string }] };
      await unlessGone(clientFor(account, state, context).send(new DeleteTagsCommand(request)));
    },
  };
}
