// Declares a server: keys, a security group that lets only SSH in, a lease, and the server itself.
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { Labels } from "../../common/labels.ts";
import { doorPort } from "../../provision/builder/door.ts";
import { cloudUserData } from "../../provision/builder/user-data.ts";
import type { Proxy } from "../shared/bastion.ts";
import type { ImageIdentity, Machine } from "../cloud.ts";
import { declareHostKey, declareLoginKey, type OwnKey } from "../shared/login-key.ts";
import type { OpenStackStack } from "./stack.ts";
import type { Power } from "../stages.ts";
import type { AnswerOf } from "../../common/contract.ts";
import type { preflight } from "./contract.ts";
import { Lease, Reachable } from "./resources.ts";

/** The result of a region's preflight. */
export type Preflight = Omit<AnswerOf<typeof preflight>, "reached">;

/** What machines of one region share. */
export interface MachineContext {
  settings: OpenStackStack;
  region: string;
  provider: openstack.Provider;
  preflight: Preflight;
  /** CIDRs that SSH is open to. */
  sshFrom: string[];
  /** The bastion that connections go through. */
  proxy?: Proxy;
}

export interface MachineArgs {
  /** Prefix of the logical names. */
  prefix: string;
  labels: Omit<Labels, "expires">;
  /** The id of the image to boot from. */
  image: pulumi.Input<string>;
  /** Resources that must exist before its lifetime starts. */
  after?: pulumi.Resource[];
  /** Boots from a new volume filled with the image. */
  volume?: { size: number; type?: string };
  /** The image's size in bytes, if it may be one of volume snapshots: that has none, and brings its own volumes. */
  imageBytes?: pulumi.Input<number>;
  loginUser: string;
  /** `off` stops the server and keeps it. */
  power: Power;
  /** Whether we sealed and stopped it, so that it must stay off; see Bake. */
  sealed?: boolean;
  /** Whether people and commands log in to it after `pulumi up`, too. */
  open?: boolean;
  ownKey?: OwnKey;
  /** The Nova key pair that holds the user's own key. */
  ownKeyPair?: { name: pulumi.Input<string> };
}

/** A declared server, and what later steps need of it. */
export interface OpenStackMachine extends Machine {
  server: pulumi.Output<string>;
  lease: Lease;
}

/** Seconds until its SSH must answer: emulated hardware takes minutes. */
const bootDeadline = 900;

/** The inputs of `Reachable` that may change while the server stays the same. */
const whereItAnswers = ["host", "port", "user", "privateKey", "proxy", "deadline", "power"];

/** Declares a server and what it needs. */
export function declareMachine(
  { parent }: Pick<ImageIdentity, "parent">,
  context: MachineContext,
  args: MachineArgs,
): OpenStackMachine {
  const { settings, region, provider, proxy } = context;
  const { prefix, labels } = args;
  const ours: pulumi.CustomResourceOptions = { parent };
  const theirs: pulumi.CustomResourceOptions = { parent, provider };
  const login = declareLoginKey(prefix, args.ownKey, parent);
  const host = declareHostKey(prefix, parent);
  const lease = new Lease(
    `${prefix}-lease`,
    {
      region,
      prefix: `${labels.project}-${labels.stack}-${prefix}`,
      labels,
      tags: settings.tags,
      lifetime: settings.maxLifetimeSeconds,
      open: args.open ?? false,
    },
    { ...ours, dependsOn: args.after },
  );
  const { machine: name } = lease;
  // Dropping the lease removes these by their name, so their official resources must not do it, which takes them five
  // seconds each. A new lease has a new name, and nothing keeps an old one: the old lease is about to remove it.
  const belonging = { ...theirs, deletedWith: lease };
  const keyArgs = { region, name, publicKey: login.publicKey };
  const keyPair = args.ownKeyPair ?? new openstack.compute.Keypair(`${prefix}-key-pair`, keyArgs, belonging);
  const group = declareSecurityGroup(prefix, context, name, labels, belonging);
  const reached = declareFloating(prefix, context, name, group, belonging);
  const userData = pulumi
    .all([host.privateKey, host.publicKey, login.publicKey, lease.deadline])
    .apply(([hostPrivateKey, hostPublicKey, authorizedKey, deadline]) =>
      cloudUserData({
        hostPrivateKey,
        hostPublicKey,
        authorizedKey,
        loginUser: args.loginUser,
        deadline: new Date(deadline),
      }),
    );
  const { availabilityZone, configDrive } = settings.openstack;
  const server = new openstack.compute.Instance(
    prefix,
    {
      region,
      name,
      flavorId: context.preflight.flavor,
      ...bootFrom(args),
      keyPair: keyPair.name,
      // A port has its own security groups.
      ...(reached.network ? { networks: [reached.network, ...otherNetworks(context)] } : ownNetworks(context, group)),
      metadata: lease.metadata,
      userData: pulumi.secret(userData),
      configDrive,
      powerState: args.power === "on" ? "active" : "shutoff",
      ...(availabilityZone !== undefined && { availabilityZone }),
    },
    // A new lease needs a new server; the official provider would only rename the old one.
    {
      ...belonging,
      replaceOnChanges: ["name"],
      dependsOn: [lease],
      // A new version of the user data would replace a sealed server.
      ...(args.sealed && { ignoreChanges: ["powerState", "userData"] }),
    },
  );
  const address = reached.address ?? addressOf(server);
  const ready = new Reachable(
    `${prefix}-boot`,
    {
      ...{
        region,
        server: server.id,
        host: address,
        port: 22,
        user: args.loginUser,
        hostKey: host.publicKey,
        privateKey: login.privateKey,
        deadline: bootDeadline,
      },
      power: args.power,
      ...(proxy && { proxy }),
    },
    {
      ...ours,
      dependsOn: [server, ...reached.resources],
      // We stopped a sealed server, so it doesn't answer, whatever has changed.
      ...(args.sealed && { ignoreChanges: whereItAnswers }),
    },
  );
  const { publicKey, privateKey } = login;
  return {
    connection: {
      host: address,
      port: ready.sshPort,
      user: ready.sshUser,
      privateKey,
      hostKey: host.publicKey,
      ...(proxy && { proxy }),
    },
    loginUser: args.loginUser,
    instance: server.id,
    authorizedKey: publicKey,
    ready,
    settles: true,
    server: server.id,
    lease,
  };
}

/**
 * The machine's own security group: opens SSH and the bake's own port to `sshFrom`. Outgoing traffic is open.
 */
function declareSecurityGroup(
  prefix: string,
  { region, sshFrom }: MachineContext,
  name: pulumi.Output<string>,
  { distribution, recipe }: Omit<Labels, "expires">,
  options: pulumi.CustomResourceOptions,
): openstack.networking.SecGroup {
  const description = `ci-images: SSH to the machine that bakes ${distribution}, recipe ${recipe.slice(0, 12)}`;
  const args = { region, name, description };
  const group = new openstack.networking.SecGroup(`${prefix}-security-group`, args, renewed(options, "name"));
  for (const [index, remoteIpPrefix] of sshFrom.entries()) {
    const suffix = index === 0 ? "" : `-${index + 1}`;
    for (const [name, port] of Object.entries({ ssh: 22, door: doorPort })) {
      const rule = {
        region,
        securityGroupId: group.id,
        direction: "ingress",
        ethertype: remoteIpPrefix.includes(":") ? "IPv6" : "IPv4",
        protocol: "tcp",
        portRangeMin: port,
        portRangeMax: port,
        remoteIpPrefix,
      };
      // Neutron removes a group's rules with it.
      const rules = { ...options, deletedWith: group };
      new openstack.networking.SecGroupRule(`${prefix}-${name}${suffix}`, rule, rules);
    }
  }
  return group;
}

/** Made again when its name changes, with the lease: the official provider would only rename it. */
function renewed(options: pulumi.CustomResourceOptions, name: string): pulumi.CustomResourceOptions {
  return { ...options, replaceOnChanges: [name] };
}

interface Reached {
  address?: pulumi.Output<string>;
  /** The server's first network, if a port was declared for it. */
  network?: { port: pulumi.Input<string> };
  resources: pulumi.Resource[];
}

/** A floating address at a port of the first network, if the stack wants one. */
function declareFloating(
  prefix: string,
  { region, preflight }: MachineContext,
  name: pulumi.Output<string>,
  group: openstack.networking.SecGroup,
  options: pulumi.CustomResourceOptions,
): Reached {
  const { floatingNetwork, networks } = preflight;
  if (!floatingNetwork) return { resources: [] };
  const port = new openstack.networking.Port(
    `${prefix}-port`,
    { region, name, networkId: networks[0].id, adminStateUp: true, securityGroupIds: [group.id] },
    renewed(options, "name"),
  );
  const floating = new openstack.networking.FloatingIp(
    `${prefix}-address`,
    { region, description: name, pool: floatingNetwork.name, portId: port.id },
    renewed(options, "description"),
  );
  return { address: floating.address, network: { port: port.id }, resources: [port, floating] };
}

function otherNetworks({ preflight }: MachineContext) {
  return preflight.networks.slice(1).map(({ id }) => ({ uuid: id }));
}

function ownNetworks({ preflight }: MachineContext, group: openstack.networking.SecGroup) {
  const [first, ...others] = preflight.networks;
  const securityGroups = [group.name];
  // If the project sees no network, Nova chooses one.
  if (first === undefined) return { securityGroups };
  const networks = [{ uuid: first.id, accessNetwork: true }, ...others.map(({ id }) => ({ uuid: id }))];
  return { networks, securityGroups };
}

function bootFrom({ image, volume, imageBytes }: MachineArgs) {
  if (!volume) return { imageId: image };
  const { size: volumeSize, type } = volume;
  const device = {
    uuid: image,
    sourceType: "image",
    destinationType: "volume",
    volumeSize,
    bootIndex: 0,
    deleteOnTermination: true,
    ...(type !== undefined && { volumeType: type }),
  };
  if (imageBytes === undefined) return { blockDevices: [device] };
  const known = pulumi.all([imageBytes, image]);
  return {
    // To the official provider, an empty id differs from the one that it reads back.
    imageId: known.apply(([bytes, id]) => (bytes > 0 ? undefined : id)) as pulumi.Output<string>,
    blockDevices: known.apply(([bytes]) => (bytes > 0 ? [device] : [])),
  };
}

/** IPv4 if there is one; else IPv6 in brackets. */
function addressOf({ accessIpV4, accessIpV6 }: openstack.compute.Instance): pulumi.Output<string> {
  return pulumi.all([accessIpV4, accessIpV6]).apply(([four, six]) => four || six.replaceAll(/[[\]]/g, ""));
}
