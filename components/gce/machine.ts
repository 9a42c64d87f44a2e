// Declares a machine on Google Compute Engine: keys, lease, firewall rules that let only SSH in, boot disk, instance,
// and the wait for its first answer.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { cloudName, formatExpiry, type Labels } from "../../common/labels.ts";
import { gceLabels, ownLabels } from "./facts/labels.ts";
import { closedSuffix, describeRule } from "./facts/rule-description.ts";
import { doorPort } from "../../provision/builder/door.ts";
import { startupScript } from "../../provision/builder/startup-script.ts";
import { cloudUserData } from "../../provision/builder/user-data.ts";
import type { Proxy } from "../shared/bastion.ts";
import type { ImageIdentity, Machine } from "../cloud.ts";
import { declareHostKey, declareLoginKey, type OwnKey } from "../shared/login-key.ts";
import type { GceStack } from "./stack.ts";
import type { Power } from "../stages.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import { declareForward } from "../shared/tunnel.ts";
import type { ArgsOf } from "../shared/own-resource.ts";
import type * as contract from "./contract.ts";
import type { MadeWith } from "./contract.ts";
import { Lease, Reachable } from "./resources.ts";

type LeaseArgs = ArgsOf<typeof contract.Lease>;
type Place = ArgsOf<typeof contract.Stop>;

/** What all machines of the stack share. */
export interface MachineContext {
  settings: GceStack;
  /** The project's id. */
  project: string;
  provider: gcp.Provider;
  machineType: string;
  /** IPv4 CIDRs that SSH is open to. */
  sshFrom: string[];
  /** The bastion that connections go through. */
  proxy?: Proxy;
  /** The resources already in the state. */
  state: StackState;
}

export interface MachineArgs {
  /** Prefix of the logical names. */
  prefix: string;
  zone: string;
  labels: Omit<Labels, "expires">;
  /** The image to boot from: its path or self link. */
  image: pulumi.Input<string>;
  /** In GB. */
  diskSize: pulumi.Input<number>;
  /** Whether the boot disk is a separate resource that outlives the instance. */
  keepDisk: boolean;
  /** Whether the image can boot as a shielded VM. */
  shielded: boolean;
  loginUser: string;
  ownKey?: OwnKey;
  /** The name of the image made from the machine. */
  makes?: string;
  /** Whether the machine stays up for people and commands to log in. */
  open?: boolean;
  /** Whether it should run. */
  power: Power;
  /** Whether we sealed and stopped it, so that it must stay off; see Bake. */
  sealed?: boolean;
  /** The image that a trial machine boots: an image that is made again needs another trial machine. */
  boots?: pulumi.Input<string>;
  /** Resources that must exist before its lifetime starts. */
  after?: pulumi.Resource[];
}

/** A declared machine, and what later steps need of it. */
export interface GceMachine extends Machine {
  place: Place;
  /** The machine's boot disk, if it outlives the machine. */
  disk?: gcp.compute.Disk;
  /** The labels of machine and disk. */
  labels: pulumi.Output<Record<string, string>>;
  /** The settings it was made with; the stack's current ones may differ. */
  madeWith: pulumi.Output<MadeWith>;
}

interface ServiceAccount {
  email: string;
  scopes: string[];
}

/** Seconds until its SSH must answer. */
const patience = 600;

/** The longest prefix that a lease accepts; it adds seven characters, and a rule's name seven more. */
const longestPrefix = 49;

/** One step above the priority of the rules that come with a `default` network. */
const belowDefaultRules = 65533;

/** Declares a machine and what it needs. */
export function declareMachine(
  { parent }: Pick<ImageIdentity, "parent">,
  context: MachineContext,
  args: MachineArgs,
): GceMachine {
  const { settings, project, provider, proxy } = context;
  const { prefix, zone, labels, loginUser } = args;
  const login = declareLoginKey(prefix, args.ownKey, parent);
  const hostKey = declareHostKey(prefix, parent);
  const lease = new Lease(
    `${prefix}-lease`,
    {
      project,
      zone,
      prefix: cloudName(gceLabels, labels.project, labels.stack, prefix, "").slice(0, longestPrefix).replace(/-+$/, ""),
      labels,
      lifetime: settings.maxLifetimeSeconds,
      madeWith: madeWith(context, args.diskSize),
      ...(args.makes !== undefined && { image: args.makes }),
      ...(args.boots !== undefined && { boots: args.boots }),
      ...(args.open && { open: true }),
      ...inState(context.state, prefix),
    },
    { parent, dependsOn: args.after },
  );
  // A replacement has another name, so it can be made first. By default the provider would delete the old one first
  // (because a name is given), and fail if it no longer exists: `deletedWith` only helps when the old lease is deleted,
  // too.
  const official = { parent, provider, deletedWith: lease, deleteBeforeReplace: false };
  const { madeWith: made } = lease;
  const labelled = pulumi
    .all([lease.deadline, made])
    .apply(([deadline, { tags }]) => ownLabels({ ...labels, expires: formatExpiry(new Date(deadline)) }, tags));
  const disk = args.keepDisk ? declareDisk(context, args, lease, labelled, official) : undefined;
  const firewall = settings.gce.firewall ? declareFirewall(prefix, context, lease, labels, official) : [];
  const metadata = pulumi
    .all([hostKey.privateKey, hostKey.publicKey, login.publicKey])
    .apply(([hostPrivateKey, hostPublicKey, authorizedKey]) => ({
      "ssh-keys": `${loginUser}:${authorizedKey}`,
      "block-project-ssh-keys": "TRUE",
      // If the project enables OS Login, the key above would be ignored.
      "enable-oslogin": "FALSE",
      // For images with cloud-init, and for those with only Google's guest agent. No deadline inside the guest: Google
      // deletes a machine on time only if it runs (`scheduling` below).
      "user-data": cloudUserData({ hostPrivateKey, hostPublicKey, authorizedKey, loginUser }),
      "startup-script": startupScript({ hostPrivateKey, hostPublicKey, authorizedKey, loginUser }),
      // The whole hash, which is too long for a label.
      "ci-images-recipe": labels.recipe,
    }));
  const instance = new gcp.compute.Instance(
    prefix,
    {
      project,
      zone,
      name: lease.machine,
      machineType: made.machineType,
      labels: labelled,
      tags: pulumi.all([lease.machine, made]).apply(([machine, { networkTags }]) => [machine, ...networkTags]),
      bootDisk: bootDisk(args, made, disk),
      networkInterfaces: made.apply((made) => [networkInterface(made)]),
      metadata: pulumi.secret(metadata),
      scheduling: pulumi.all([made, lease.lifetime]).apply(([{ spot }, seconds]) => scheduling(spot, seconds)),
      desiredStatus: args.power === "on" ? "RUNNING" : "TERMINATED",
      ...(args.shielded && { shieldedInstanceConfig: made.apply(shielding) }),
      serviceAccount: made.apply(serviceAccount),
    },
    { ...official, dependsOn: firewall, ...(args.sealed && { ignoreChanges: ["desiredStatus", "metadata"] }) },
  );
  // Addresses are known only once the instance exists. A stopped instance has released its public address.
  const address = pulumi
    .all([instance.networkInterfaces, made, instance.instanceId])
    .apply(([[{ accessConfigs, networkIp }], { publicAddress }]) =>
      publicAddress ? (accessConfigs?.[0]?.natIp ?? "") : (networkIp ?? ""),
    );
  const place = { project, zone, machine: lease.machine, instance: instance.instanceId };
  const tunnel = settings.gce.tunnel === "iap" ? iapCommand(project, zone, instance.name) : undefined;
  const forward = tunnel && declareForward(prefix, tunnel, { parent, dependsOn: instance });
  const endpoint = forward ? { host: forward.host, port: forward.port } : { host: address, port: 22 };
  const { privateKey } = login;
  const reached = { ...endpoint, user: loginUser, hostKey: hostKey.publicKey, privateKey, ...(proxy && { proxy }) };
  // We stopped a sealed machine, and it must stay off.
  const awake = args.power === "on" && !args.sealed;
  const whichAddress = made.apply(({ publicAddress }) => (publicAddress ? "public" : "private"));
  const awaited = { ...place, ...reached, patience, awake, ...(!forward && { address: whichAddress }) };
  const ignoreChanges = args.power === "on" ? [] : ["host"];
  const ready = new Reachable(`${prefix}-arrival`, awaited, { parent, ignoreChanges });
  const host = pulumi.all([ready.currentHost, endpoint.host]).apply(([now, recorded]) => now ?? recorded);
  return {
    connection: { ...reached, host, port: ready.sshPort, user: ready.sshUser },
    loginUser,
    instance: instance.instanceId,
    authorizedKey: login.publicKey,
    ...(tunnel && { tunnel }),
    ready,
    settles: true,
    place,
    disk,
    labels: labelled,
    madeWith: made,
  };
}

/** The current settings that a machine is made with. */
function madeWith({ settings, machineType }: MachineContext, diskSize: pulumi.Input<number>): LeaseArgs["madeWith"] {
  const { diskType, network, subnetwork, publicAddress, networkTags, serviceAccount, spot, secureBoot } = settings.gce;
  return {
    ...{ machineType, diskSize, diskType, network, publicAddress, networkTags, spot, secureBoot },
    ...(subnetwork !== undefined && { subnetwork }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    tags: settings.tags,
  };
}

/** Whether the state has the machine, and has it running. */
function inState(state: StackState, prefix: string): Pick<LeaseArgs, "recorded" | "runs"> {
  const recorded = state.outputsOf("gcp:compute/instance:Instance", prefix);
  return { recorded: recorded !== undefined, runs: recorded?.desiredStatus === "RUNNING" };
}

/**
 * The command that carries one connection through Google's TCP forwarding; `gcloud compute ssh` uses it as OpenSSH's
 * ProxyCommand. https://cloud.google.com/sdk/gcloud/reference/compute/start-iap-tunnel
 */
function iapCommand(project: string, zone: string, machine: pulumi.Output<string>): pulumi.Output<string[]> {
  const where = ["22", "--listen-on-stdin", `--project=${project}`, `--zone=${zone}`, "--verbosity=warning"];
  return machine.apply((name) => ["gcloud", "compute", "start-iap-tunnel", name, ...where]);
}

function declareDisk(
  { project }: MachineContext,
  { prefix, zone, image }: MachineArgs,
  { machine: name, madeWith }: Lease,
  labels: pulumi.Output<Record<string, string>>,
  options: pulumi.CustomResourceOptions,
): gcp.compute.Disk {
  const { diskSize: size, diskType: type } = madeWith;
  return new gcp.compute.Disk(`${prefix}-disk`, { project, zone, name, image, size, type, labels }, options);
}

/**
 * The machine's own firewall rules, bound to a network tag that no other machine has: one lets our SSH in, the other
 * blocks everything else. A network called `default` comes with rules of the second-lowest priority that let everybody
 * in; rules made by people have a higher one by default. https://cloud.google.com/firewall/docs/firewalls
 */
function declareFirewall(
  prefix: string,
  { project, sshFrom, settings }: MachineContext,
  { machine, deadline, madeWith }: Lease,
  { project: owner, stack, distribution, recipe }: Omit<Labels, "expires">,
  options: pulumi.CustomResourceOptions,
): gcp.compute.Firewall[] {
  const whose = `the machine that bakes ${distribution}, recipe ${recipe.slice(0, 12)}`;
  const rule = (what: string) => ({
    project,
    network: madeWith.network,
    description: deadline.apply((end) =>
      describeRule({ project: owner, stack, expires: new Date(end) }, `${what} ${whose}`),
    ),
    direction: "INGRESS",
    targetTags: [machine],
  });
  // No tunnel reaches the bake's own port.
  const ports = ["22", ...(settings.gce.tunnel ? [] : [String(doorPort)])];
  const ssh = { allows: [{ protocol: "tcp", ports }], sourceRanges: sshFrom };
  const others = { denies: [{ protocol: "all" }], sourceRanges: ["0.0.0.0/0"], priority: belowDefaultRules };
  const closed = pulumi.interpolate`${machine}${closedSuffix}`;
  return [
    new gcp.compute.Firewall(`${prefix}-ssh`, { ...rule("SSH to"), ...ssh, name: machine }, options),
    new gcp.compute.Firewall(`${prefix}-closed`, { ...rule("nothing else to"), ...others, name: closed }, options),
  ];
}

function bootDisk({ image }: MachineArgs, made: Lease["madeWith"], disk: gcp.compute.Disk | undefined) {
  // `autoDelete` must be false from the start: the provider replaces an instance when it changes.
  if (disk) return { source: disk.selfLink, autoDelete: false };
  return { autoDelete: true, initializeParams: { image, size: made.diskSize, type: made.diskType } };
}

function networkInterface({ network, subnetwork, publicAddress }: MadeWith) {
  return {
    network,
    ...(subnetwork !== undefined && { subnetwork, ...hostProject(network, subnetwork) }),
    ...(publicAddress && { accessConfigs: [{ networkTier: "PREMIUM" }] }),
  };
}

/**
 * The project of a shared network's subnetwork, if that is a bare name: the provider would look for it in our project.
 */
function hostProject(network: string, subnetwork: string): { subnetworkProject?: string } {
  const [, subnetworkProject] = /(?:^|\/)projects\/([^/]+)\/global\/networks\//.exec(network) ?? [];
  return subnetworkProject === undefined || subnetwork.includes("/") ? {} : { subnetworkProject };
}

function scheduling(spot: boolean, seconds: number) {
  return {
    // Google deletes the machine by itself, even if this process is gone.
    // https://cloud.google.com/compute/docs/instances/limit-vm-runtime
    maxRunDuration: { seconds },
    instanceTerminationAction: "DELETE",
    automaticRestart: false,
    ...(spot
      ? { provisioningModel: "SPOT", preemptible: true, onHostMaintenance: "TERMINATE" }
      : { provisioningModel: "STANDARD" }),
  };
}

function shielding({ secureBoot }: MadeWith) {
  return { enableVtpm: true, enableIntegrityMonitoring: true, enableSecureBoot: secureBoot };
}

function serviceAccount({ serviceAccount: email }: MadeWith): ServiceAccount | undefined {
  // The account's roles decide what it may do: https://cloud.google.com/compute/docs/access/service-accounts
  return email === undefined ? undefined : { email, scopes: ["cloud-platform"] };
}
