// A machine on Google Compute Engine as a bake needs it: keys, a lease, firewall rules that let in SSH and nothing else, a
// boot disk, the instance, and the wait for its first answer.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { cloudLabels, cloudName, formatExpiry, type Labels } from "../../common/labels.ts";
import { closedSuffix, describeRule } from "../../common/rule-description.ts";
import { hostKeyScript } from "../../provision/startup-script.ts";
import { cloudConfig } from "../../provision/user-data.ts";
import type { Proxy } from "../bastion.ts";
import type { ImageIdentity, Machine } from "../cloud.ts";
import { declareHostKey, declareLoginKey, type OwnKey } from "../login-key.ts";
import type { Settings } from "../settings.ts";
import type { Power } from "../stages.ts";
import type { StackState } from "../state.ts";
import { Arrival, Lease, type MachineArgs as Place } from "./resources.ts";

/** What all machines of the stack have in common. */
export interface MachineContext {
  settings: Settings;
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
  diskSize: number;
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
  const { publicAddress } = settings.gce;
  const login = declareLoginKey(prefix, args.ownKey, parent);
  const host = declareHostKey(prefix, parent);
  const lease = new Lease(
    `${prefix}-lease`,
    {
      project,
      zone,
      prefix: cloudName("gce", labels.project, labels.stack, prefix, "").slice(0, longestPrefix).replace(/-+$/, ""),
      labels,
      lifetime: settings.maxLifetimeSeconds,
      ...(args.makes !== undefined && { image: args.makes }),
      ...(args.open && { open: true }),
      recorded: context.state.has("gcp:compute/instance:Instance", prefix),
    },
    { parent, dependsOn: args.after },
  );
  const official = { parent, provider, deletedWith: lease };
  const labelled = lease.deadline.apply((deadline) =>
    cloudLabels("gce", { ...labels, expires: formatExpiry(new Date(deadline)) }, settings.tags),
  );
  const disk = args.keepDisk ? declareDisk(context, args, lease, labelled, official) : undefined;
  const firewall = settings.gce.firewall ? declareFirewall(prefix, context, lease, labels, official) : [];
  const metadata = pulumi
    .all([host.privateKey, host.publicKey, login.publicKey, lease.deadline])
    .apply(([hostPrivateKey, hostPublicKey, authorizedKey, deadline]) => ({
      "ssh-keys": `${loginUser}:${authorizedKey}`,
      "block-project-ssh-keys": "TRUE",
      // A project that has it on would ignore the key above.
      "enable-oslogin": "FALSE",
      // For images with cloud-init, and for those with Google's guest agent alone.
      "user-data": cloudConfig({ hostPrivateKey, hostPublicKey, authorizedKey, deadline: new Date(deadline) }),
      "startup-script": hostKeyScript({ privateKey: hostPrivateKey, publicKey: hostPublicKey }),
      // The whole hash: a label has no room for it.
      "ci-images-recipe": labels.recipe,
    }));
  const instance = new gcp.compute.Instance(
    prefix,
    {
      project,
      zone,
      name: lease.machine,
      machineType: context.machineType,
      labels: labelled,
      tags: [lease.machine, ...settings.gce.networkTags],
      bootDisk: bootDisk(context, args, disk),
      networkInterfaces: [networkInterface(settings)],
      metadata: pulumi.secret(metadata),
      scheduling: scheduling(settings),
      desiredStatus: args.power === "on" ? "RUNNING" : "TERMINATED",
      ...shielding(settings, args),
      ...serviceAccount(settings),
    },
    { ...official, dependsOn: firewall, ...(args.sealed && { ignoreChanges: ["desiredStatus"] }) },
  );
  // Addresses are known when the instance is there, and not before: the interfaces as we ask for them have none. One that is
  // stopped has given its public address back.
  const address = pulumi
    .all([instance.networkInterfaces, instance.instanceId])
    .apply(([[{ accessConfigs, networkIp }]]) => (publicAddress ? accessConfigs![0].natIp : networkIp) ?? "");
  const place = { project, zone, machine: lease.machine, instance: instance.instanceId };
  const reached = { host: address, port: 22, user: loginUser, hostKey: host.publicKey, ...(proxy && { proxy }) };
  const awaited = { ...place, ...reached, patience };
  const ignoreChanges = args.power === "on" ? [] : ["host"];
  const arrival = new Arrival(`${prefix}-arrival`, awaited, { parent, ignoreChanges });
  return {
    connection: { ...reached, privateKey: login.privateKey },
    instance: instance.instanceId,
    authorizedKey: login.publicKey,
    ready: arrival,
    settles: true,
    place,
    disk,
    labels: labelled,
  };
}

function declareDisk(
  { settings, project }: MachineContext,
  { prefix, zone, image, diskSize: size }: MachineArgs,
  { machine: name }: Lease,
  labels: pulumi.Output<Record<string, string>>,
  options: pulumi.CustomResourceOptions,
): gcp.compute.Disk {
  const { diskType: type } = settings.gce;
  return new gcp.compute.Disk(`${prefix}-disk`, { project, zone, name, image, size, type, labels }, options);
}

/**
 * Rules of their own for each machine, by a network tag that no other machine has: one lets in SSH from us, the other shuts
 * out everybody else. A network called `default` comes with rules that let the whole world in, of the second-lowest priority;
 * rules that people make have a higher one unless they say otherwise. https://cloud.google.com/firewall/docs/firewalls
 */
function declareFirewall(
  prefix: string,
  { settings, project, sshFrom }: MachineContext,
  { machine, deadline }: Lease,
  { project: owner, stack, distribution, recipe }: Omit<Labels, "expires">,
  options: pulumi.CustomResourceOptions,
): gcp.compute.Firewall[] {
  const whose = `the machine that bakes ${distribution}, recipe ${recipe.slice(0, 12)}`;
  const rule = (what: string) => ({
    project,
    network: settings.gce.network,
    description: deadline.apply((end) =>
      describeRule({ project: owner, stack, expires: new Date(end) }, `${what} ${whose}`),
    ),
    direction: "INGRESS",
    targetTags: [machine],
  });
  const ssh = { allows: [{ protocol: "tcp", ports: ["22"] }], sourceRanges: sshFrom };
  const others = { denies: [{ protocol: "all" }], sourceRanges: ["0.0.0.0/0"], priority: belowDefaultRules };
  const closed = pulumi.interpolate`${machine}${closedSuffix}`;
  return [
    new gcp.compute.Firewall(`${prefix}-ssh`, { ...rule("SSH to"), ...ssh, name: machine }, options),
    new gcp.compute.Firewall(`${prefix}-closed`, { ...rule("nothing else to"), ...others, name: closed }, options),
  ];
}

function bootDisk({ settings }: MachineContext, { image, diskSize }: MachineArgs, disk: gcp.compute.Disk | undefined) {
  // False from the start: the provider replaces an instance where it changes.
  if (disk) return { source: disk.selfLink, autoDelete: false };
  return { autoDelete: true, initializeParams: { image, size: diskSize, type: settings.gce.diskType } };
}

function networkInterface({ gce }: Settings) {
  const { network, subnetwork } = gce;
  return {
    network,
    ...(subnetwork !== undefined && { subnetwork }),
    ...(gce.publicAddress && { accessConfigs: [{ networkTier: "PREMIUM" }] }),
  };
}

function scheduling({ gce: { spot }, maxLifetimeSeconds: seconds }: Settings) {
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

function shielding({ gce: { secureBoot } }: Settings, { shielded }: MachineArgs) {
  if (!shielded) return {};
  return {
    shieldedInstanceConfig: { enableVtpm: true, enableIntegrityMonitoring: true, enableSecureBoot: secureBoot },
  };
}

function serviceAccount({ gce: { serviceAccount: email } }: Settings) {
  // What the account may do is decided by its roles: https://cloud.google.com/compute/docs/access/service-accounts
  return email === undefined ? {} : { serviceAccount: { email, scopes: ["cloud-platform"] } };
}
