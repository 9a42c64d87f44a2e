// A machine on Google Compute Engine as a bake needs it: keys, a lease, firewall rules that let in SSH and nothing else, a
// boot disk, the instance, and the wait for its first answer.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { cloudLabels, cloudName, formatExpiry, type Labels } from "../../common/labels.ts";
import { gceLabels } from "./facts/labels.ts";
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
import { Arrival, Lease, type LeaseArgs, type MachineArgs as Place, type MadeWith } from "./resources.ts";

/** What all machines of the stack have in common. */
export interface MachineContext {
  settings: GceStack;
  /** The project's id. */
  project: string;
  provider: gcp.Provider;
  machineType: string;
  /** CIDRs that SSH is open to, IPv4. */
  sshFrom: string[];
  /** The bastion that connections go through. */
  proxy?: Proxy;
  /** What is under management already. */
  state: StackState;
}

export interface MachineArgs {
  /** Begins the logical names. */
  prefix: string;
  zone: string;
  labels: Omit<Labels, "expires">;
  /** The image to boot from: its path or self link. */
  image: pulumi.Input<string>;
  /** In GB. */
  diskSize: pulumi.Input<number>;
  /** True makes the boot disk a resource of its own that outlives the instance; false lets it go with the instance. */
  keepDisk: boolean;
  /** Whether the image can boot as a shielded VM. */
  shielded: boolean;
  loginUser: string;
  ownKey?: OwnKey;
  /** The name of the image that is made with the machine. */
  makes?: string;
  /** True where the machine stays, for people and commands to log in. */
  open?: boolean;
  /** Whether it runs. */
  power: Power;
  /** True when it was sealed and stopped by us, and is to stay so; see Bake. */
  sealed?: boolean;
  /** Which image it boots from, where that is one of ours: a trial of an image that was made again is another one. */
  boots?: pulumi.Input<string>;
  /** What must be there before its time begins to run. */
  after?: pulumi.Resource;
}

/** A machine that was declared, with what later steps act on. */
export interface GceMachine extends Machine {
  place: Place;
  /** The machine's boot disk, where it outlives the machine. */
  disk?: gcp.compute.Disk;
  /** What machine and disk carry. */
  labels: pulumi.Output<Record<string, string>>;
  /** What the machine was made with, which is not what the stack's settings say by now. */
  madeWith: pulumi.Output<MadeWith>;
}

interface ServiceAccount {
  email: string;
  scopes: string[];
}

/** Seconds that a machine may take until its SSH answers. */
const patience = 600;

/** The most characters that a lease takes; it adds seven, and a rule's name has seven more. */
const longestPrefix = 49;

/** One more urgent than those of the rules that a `default` network comes with. */
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
  const host = declareHostKey(prefix, parent);
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
  // Another machine has another name, so the new one is made first. The provider would delete the old one before, because it was
  // given a name, and fails where it is gone already: `deletedWith` only helps once the old lease is to be deleted, too.
  const official = { parent, provider, deletedWith: lease, deleteBeforeReplace: false };
  const { madeWith: made } = lease;
  const labelled = pulumi
    .all([lease.deadline, made])
    .apply(([deadline, { tags }]) =>
      cloudLabels(gceLabels, { ...labels, expires: formatExpiry(new Date(deadline)) }, tags),
    );
  const disk = args.keepDisk ? declareDisk(context, args, lease, labelled, official) : undefined;
  const firewall = settings.gce.firewall ? declareFirewall(prefix, context, lease, labels, official) : [];
  const metadata = pulumi
    .all([host.privateKey, host.publicKey, login.publicKey])
    .apply(([hostPrivateKey, hostPublicKey, authorizedKey]) => ({
      "ssh-keys": `${loginUser}:${authorizedKey}`,
      "block-project-ssh-keys": "TRUE",
      // A project that has it on would ignore the key above.
      "enable-oslogin": "FALSE",
      // For images with cloud-init, and for those with Google's guest agent alone.
      // No deadline of its own: Google deletes a machine at its time only where it runs (`scheduling` below).
      "user-data": cloudUserData({ hostPrivateKey, hostPublicKey, authorizedKey, loginUser }),
      "startup-script": startupScript({ hostPrivateKey, hostPublicKey, authorizedKey, loginUser }),
      // The whole hash: a label has no room for it.
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
  // Addresses are known when the instance is there, and not before: the interfaces as we ask for them have none. One that is
  // stopped has given its public address back.
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
  const reached = { ...endpoint, user: loginUser, hostKey: host.publicKey, privateKey, ...(proxy && { proxy }) };
  // A sealed one was stopped by us, and is to stay so.
  const awake = args.power === "on" && !args.sealed;
  const awaited = { ...place, ...reached, patience, awake };
  const ignoreChanges = args.power === "on" ? [] : ["host"];
  const arrival = new Arrival(`${prefix}-arrival`, awaited, { parent, ignoreChanges });
  return {
    connection: { ...reached, port: arrival.sshPort, user: arrival.sshUser },
    loginUser,
    instance: instance.instanceId,
    authorizedKey: login.publicKey,
    ...(tunnel && { tunnel }),
    ready: arrival,
    settles: true,
    place,
    disk,
    labels: labelled,
    madeWith: made,
  };
}

/** What decides over a machine, as the stack's settings are now. */
function madeWith({ settings, machineType }: MachineContext, diskSize: pulumi.Input<number>): LeaseArgs["madeWith"] {
  const { diskType, network, subnetwork, publicAddress, networkTags, serviceAccount, spot, secureBoot } = settings.gce;
  return {
    ...{ machineType, diskSize, diskType, network, publicAddress, networkTags, spot, secureBoot },
    ...(subnetwork !== undefined && { subnetwork }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    tags: settings.tags,
  };
}

/** What the state has of the machine. */
function inState(state: StackState, prefix: string): Pick<LeaseArgs, "recorded" | "runs"> {
  const recorded = state.outputsOf("gcp:compute/instance:Instance", prefix);
  return { recorded: recorded !== undefined, runs: recorded?.desiredStatus === "RUNNING" };
}

/**
 * One connection by Google's TCP forwarding; `gcloud compute ssh` itself runs it so as OpenSSH's ProxyCommand.
 * https://cloud.google.com/sdk/gcloud/reference/compute/start-iap-tunnel
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
 * Rules of their own for each machine, by a network tag that no other machine has: one lets in SSH from us, the other shuts
 * out everybody else. A network called `default` comes with rules that let the whole world in, of the second-lowest priority;
 * rules that people make have a higher one unless they say otherwise. https://cloud.google.com/firewall/docs/firewalls
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
  // No tunnel leads to the bake's own way in.
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
  // False from the start: the provider replaces an instance where it changes.
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

/** The project of a shared network's subnetwork, where that is given by its name: the provider would look for it in ours. */
function hostProject(network: string, subnetwork: string): { subnetworkProject?: string } {
  const [, subnetworkProject] = /(?:^|\/)projects\/([^/]+)\/global\/networks\//.exec(network) ?? [];
  return subnetworkProject === undefined || subnetwork.includes("/") ? {} : { subnetworkProject };
}

function scheduling(spot: boolean, seconds: number) {
  return {
    // Google deletes the machine by itself, whatever became of us. https://cloud.google.com/compute/docs/instances/limit-vm-runtime
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
  // What the account may do is decided by its roles: https://cloud.google.com/compute/docs/access/service-accounts
  return email === undefined ? undefined : { email, scopes: ["cloud-platform"] };
}
