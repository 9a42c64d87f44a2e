// Declares an EC2 machine: lease, key pair, security group, instance, and the wait for its first answer. Builder and
// trial machine differ only in the image they boot.
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { tagNames } from "./facts/tags.ts";
import { cloudLabels, formatExpiry, type Labels } from "../../common/labels.ts";
import { ec2Labels } from "./facts/labels.ts";
import { doorPort } from "../../provision/builder/door.ts";
import { cloudUserData } from "../../provision/builder/user-data.ts";
import type { Proxy } from "../shared/bastion.ts";
import type { Machine } from "../cloud.ts";
import { declareHostKey, declareLoginKey, type OwnKey } from "../shared/login-key.ts";
import type { Ec2Stack } from "./stack.ts";
import type { Power } from "../stages.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import { declareForward } from "../shared/tunnel.ts";
import { Market as MarketContract, type MadeWith, type Stop } from "./contract.ts";
import type { ArgsOf } from "../shared/own-resource.ts";
import { Lease, Market, Reachable } from "./resources.ts";

/** What all machines of a stack share. */
export interface Surroundings {
  settings: Ec2Stack;
  region: string;
  instanceType: string;
  provider: aws.Provider;
  ownKey?: OwnKey;
  /** The VPC that machines are in; from the preflight. */
  vpc: string;
  /** Ids of subnets that they can start in; the first one is used. */
  subnets: string[];
  /** Networks (CIDR) that may connect to SSH. */
  sshFrom: string[];
  /** Security groups that may connect to SSH. */
  sshFromGroups?: string[];
  /** The bastion that connections go through. */
  proxy?: Proxy;
  /** The resources already in the state. */
  state: StackState;
}

/** What distinguishes this machine. */
export interface MachineArgs {
  /** Prefix of the logical names. */
  prefix: string;
  labels: Labels;
  /** The AMI's id. */
  image: pulumi.Input<string>;
  loginUser: string;
  parent: pulumi.Resource;
  /** Resources that must exist before it starts. */
  after: pulumi.Resource[];
  /** Whether it should run, if that can change; left out, it always runs. */
  power?: Power;
  /** True when it is sealed and stopped, and stays so; see Bake. */
  sealed?: boolean;
  /** True if people and commands log in to it after `pulumi up`, too. */
  open?: boolean;
}

/** A declared machine, and the arguments by which steps identify it. */
export interface Ec2Machine extends Machine {
  step: ArgsOf<typeof Stop>;
  lease: Lease;
}

/** The inputs of `Reachable` that may change while the machine stays the same. */
const whereItAnswers = ["address", "forward", "port", "user", "privateKey", "proxy", "power"];

/** Declares a machine. */
export function declareMachine(surroundings: Surroundings, args: MachineArgs): Ec2Machine {
  const { settings, region, provider, ownKey, proxy } = surroundings;
  const { prefix, labels, parent, after, loginUser: user } = args;
  const login = declareLoginKey(prefix, ownKey, parent);
  const host = declareHostKey(prefix, parent);
  const lease = declareLease(surroundings, args);
  const tags = pulumi.all([lease.machine, lease.deadline, lease.madeWith]).apply(([name, deadline, made]) => ({
    ...cloudLabels(ec2Labels, { ...labels, expires: formatExpiry(new Date(deadline)) }, made.tags),
    Name: name,
    [tagNames.machine]: name,
  }));
  // Dropping the lease deletes these, so their official resources must not try again.
  const options = { parent, provider, deletedWith: lease };
  const keyName =
    ownKey?.name ??
    new aws.ec2.KeyPair(`${prefix}-key-pair`, { keyName: lease.machine, publicKey: login.publicKey, tags }, options)
      .keyName;
  const group = settings.ec2.securityGroup ?? declareSecurityGroup(surroundings, prefix, lease, tags, options).id;
  const userData = pulumi
    .all([host.privateKey, host.publicKey, login.publicKey, lease.deadline])
    .apply(([hostPrivateKey, hostPublicKey, authorizedKey, deadline]) =>
      cloudUserData({ hostPrivateKey, hostPublicKey, authorizedKey, loginUser: user, deadline: new Date(deadline) }),
    );
  const instance = new aws.ec2.Instance(
    prefix,
    {
      ami: args.image,
      ...instanceArgs(lease),
      ...marketArgs(surroundings, args, lease, tags),
      keyName,
      vpcSecurityGroupIds: [group],
      userData: pulumi.secret(userData),
      userDataReplaceOnChange: true,
      tags,
      volumeTags: tags,
    },
    // After a refresh, the provider believes that a stopped machine was declared without a public address, and replaces
    // it: https://github.com/hashicorp/terraform-provider-aws/issues/33775
    // It would also remove the tag that another resource has set to mark a sealed machine. A new version of the user
    // data would replace that machine.
    {
      ...options,
      dependsOn: after,
      ignoreChanges: ["associatePublicIpAddress", ...(args.sealed ? [`tags["${tagNames.sealing}"]`, "userData"] : [])],
    },
  );
  const step = { region, machine: lease.machine, instance: instance.id };
  const switched = args.power === undefined ? [] : [declarePower(prefix, instance.id, args.power, options)];
  const address = lease.madeWith.publicAddress.apply((isPublic) => (isPublic ? "public" : "private"));
  const tunnel = settings.ec2.tunnel && tunnelCommand(settings.ec2.tunnel, region, instance.id);
  const forward = tunnel && declareForward(prefix, tunnel, { parent });
  const port = forward ? forward.port : 22;
  const reached = {
    address,
    ...(forward && { forward: forward.host }),
    port,
    user,
    hostKey: host.publicKey,
    privateKey: login.privateKey,
    power: args.power ?? "on",
    ...(proxy && { proxy }),
  };
  // A sealed machine doesn't answer, whatever has changed.
  const ignoreChanges = args.sealed ? whereItAnswers : [];
  const waiting = { parent, dependsOn: switched, ignoreChanges };
  const ready = new Reachable(`${prefix}-reachable`, { ...step, ...reached }, waiting);
  const keys = { privateKey: login.privateKey, hostKey: host.publicKey, ...(proxy && { proxy }) };
  const connection = { host: ready.host, port: ready.sshPort, user: ready.sshUser, ...keys };
  return {
    connection,
    ...(tunnel && { tunnel }),
    loginUser: user,
    instance: instance.id,
    authorizedKey: login.publicKey,
    ready,
    settles: true,
    step,
    lease,
  };
}

/**
 * The command that carries one connection over standard input and output, as AWS documents both tunnels for OpenSSH's
 * ProxyCommand:
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/connect-using-eice.html,
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-getting-started-enable-ssh-connections.html
 */
function tunnelCommand(
  tunnel: "instance-connect" | "session-manager",
  region: string,
  instance: pulumi.Output<string>,
): pulumi.Output<string[]> {
  return instance.apply((id) =>
    tunnel === "instance-connect"
      ? ["aws", "ec2-instance-connect", "open-tunnel", "--region", region, "--instance-id", id, "--remote-port", "22"]
      : ["aws", "ssm", "start-session", "--region", region, "--target", id, ...sshSession],
  );
}

const sshSession = ["--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=22"];

/** The type of the resource that powers machines on and off, as the state has it. */
export const powerType = "aws:ec2transitgateway/instanceState:InstanceState";

function declarePower(
  prefix: string,
  instanceId: pulumi.Output<string>,
  power: Power,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource {
  const state = power === "on" ? "running" : "stopped";
  // Pulumi has it in this module by mistake; it has nothing to do with transit gateways.
  return new aws.ec2transitgateway.InstanceState(`${prefix}-power`, { instanceId, state }, options);
}

function declareLease(
  surroundings: Surroundings,
  { prefix, labels, parent, after, open = false, power = "on" }: MachineArgs,
): Lease {
  const { settings, region, state } = surroundings;
  const { project, stack } = labels;
  const name = [project, stack, prefix].join("-").replaceAll(/[^A-Za-z0-9.-]/g, "-");
  const lifetime = settings.maxLifetimeSeconds;
  const recorded = state.has("aws:ec2/instance:Instance", prefix);
  const args = { region, prefix: name, labels: { ...labels }, lifetime, open, recorded, power };
  return new Lease(`${prefix}-lease`, { ...args, madeWith: madeWith(surroundings) }, { parent, dependsOn: after });
}

/**
 * The machine's security group. Opens SSH and the bake's own port (unless there is a tunnel, which reaches only SSH) to
 * `sshFrom` and `sshFromGroups`. Outgoing traffic is open, because packages are downloaded.
 */
function declareSecurityGroup(
  { settings, sshFrom, sshFromGroups = [] }: Surroundings,
  prefix: string,
  lease: Lease,
  tags: pulumi.Output<Record<string, string>>,
  options: pulumi.CustomResourceOptions,
): aws.ec2.SecurityGroup {
  const rules = [22, ...(settings.ec2.tunnel ? [] : [doorPort])].flatMap((port) => {
    const ssh = { protocol: "tcp", fromPort: port, toPort: port };
    return [
      ...sshFrom.map((cidr) => ({
        ...ssh,
        ...(cidr.includes(":") ? { ipv6CidrBlocks: [cidr] } : { cidrBlocks: [cidr] }),
      })),
      ...sshFromGroups.map((group) => ({ ...ssh, securityGroups: [group] })),
    ];
  });
  return new aws.ec2.SecurityGroup(
    `${prefix}-security-group`,
    {
      name: lease.machine,
      description: "ci-images: SSH to one machine of a bake",
      vpcId: lease.madeWith.vpc,
      ingress: rules,
      egress: [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["0.0.0.0/0"], ipv6CidrBlocks: ["::/0"] }],
      tags,
    },
    options,
  );
}

/** The current settings that a machine is made with. */
function madeWith({ settings, region, instanceType, vpc, subnets }: Surroundings): MadeWith {
  const { spot, diskSize, encrypted, kmsKeys, address, instanceProfile } = settings.ec2;
  const kmsKey = encrypted ? kmsKeys[region] : undefined;
  return {
    ...{ instanceType, spot, vpc },
    // Without a subnet the provider doesn't request a public address; see components/ec2/provider/subnets.ts.
    subnet: subnets[0],
    publicAddress: address === "public",
    ...(instanceProfile !== undefined && { instanceProfile }),
    disk: { size: diskSize, encrypted, ...(kmsKey !== undefined && { kmsKey }) },
    tags: settings.tags,
  };
}

/**
 * Arguments that launch a machine. The probe for spot capacity must use the same ones, or its answer means nothing.
 */
function instanceArgs({ madeWith: made }: Lease) {
  return {
    instanceType: made.instanceType,
    subnetId: made.subnet,
    associatePublicIpAddress: made.publicAddress,
    iamInstanceProfile: made.apply(({ instanceProfile }) => instanceProfile!),
    // The machine's own deadline relies on this: powering off from inside terminates it.
    instanceInitiatedShutdownBehavior: "terminate",
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    rootBlockDevice: made.apply(({ disk: { size, encrypted, kmsKey } }) => ({
      volumeType: "gp3",
      volumeSize: size,
      // Left out when false: if the account encrypts by default, the provider reads true and would replace the machine.
      ...(encrypted && { encrypted, kmsKeyId: kmsKey }),
      deleteOnTermination: true,
    })),
  };
}

/**
 * Market options. Only a persistent spot request allows a machine to be stopped. The request ends with the lease, so no
 * other machine replaces one that ended.
 */
function marketArgs(
  { settings, region, state }: Surroundings,
  { prefix, image, parent, after }: MachineArgs,
  lease: Lease,
  tags: pulumi.Output<Record<string, string>>,
): Pick<aws.ec2.InstanceArgs, "instanceMarketOptions"> {
  const name = `${prefix}-market`;
  // A machine keeps the market it was made in, even if the setting has changed.
  if (!settings.ec2.spot && !state.has(MarketContract.token, name)) return {};
  const { machine, madeWith } = lease;
  const probe = new Market(name, { region, machine, image, madeWith, tags }, { parent, dependsOn: after });
  const instanceMarketOptions = pulumi.all([probe.market, lease.deadline]).apply(([market, deadline]) =>
    market === "spot"
      ? {
          marketType: "spot",
          spotOptions: {
            spotInstanceType: "persistent",
            instanceInterruptionBehavior: "stop",
            validUntil: deadline.replace(/\.\d+/, ""),
          },
        }
      : undefined,
  );
  return { instanceMarketOptions: instanceMarketOptions };
}
