// Stops, starts and removes the machines of a bake. Everything that belongs to a machine is tagged with the name from
// its lease, and is deleted with it.
import type { Instance } from "@aws-sdk/client-ec2";
import type { Context } from "../../../provider/resource.ts";
import { waitFor, type Seen } from "../../../provider/kit/wait.ts";
import { ec2, errorCode, isGone } from "./client.ts";
import { removeImage } from "./images.ts";
import { isOfWorker } from "../../../common/labels.ts";
import { ec2Labels } from "../facts/labels.ts";
import { tagNames } from "../facts/tags.ts";
import { findImages, findInstance, findInstances, tagFilters, tagsOf, type Tags } from "./tagged-resources.ts";

/** Seconds that an instance may take to stop or terminate. AWS forces it off before that. */
const machineSeconds = 15 * 60;

/** Why AWS stopped or ended an instance: `Server.SpotInstanceTermination: ...`. */
export function stateReason({ StateReason, StateTransitionReason }: Instance): string {
  return StateReason?.Message ?? (StateTransitionReason || "AWS gives no reason");
}

/**
 * Stops an instance through the API and waits. (Powering off from inside would terminate a builder.)
 * @throws UserError if it no longer exists, or terminates instead.
 */
export async function stopInstance(region: string, id: string, context: Context): Promise<void> {
  await (await ec2(region)).stopInstances({ InstanceIds: [id] });
  await waitForInstance(region, id, "to be stopped", context, (instance) => {
    const state = instance?.State?.Name ?? "gone";
    if (state === "stopped") return { done: undefined };
    if (state === "stopping" || state === "running" || state === "pending") return { state };
    return { failed: instance ? `it is ${state}: ${stateReason(instance)}` : "it is gone" };
  });
}

/**
 * Whether an instance was stopped unsealed. AWS stops spot machines when it needs them; schedulers and people stop
 * others.
 */
export function isStoppedOpen(instance: Instance): boolean {
  const state = instance.State?.Name;
  return (state === "stopped" || state === "stopping") && tagsOf(instance)[tagNames.sealing] === undefined;
}

/**
 * Whether AWS itself stopped a spot instance: "only Amazon EC2 can restart an interrupted stopped Spot Instance".
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/interruption-behavior.html
 */
export function isInterrupted(instance: Instance): boolean {
  const { InstanceLifecycle, StateReason } = instance;
  return (
    InstanceLifecycle === "spot" && isStoppedOpen(instance) && StateReason?.Code !== "Client.UserInitiatedShutdown"
  );
}

/**
 * Starts a stopped or stopping instance through the API and waits until it runs.
 * @throws UserError if it no longer exists, or stops or terminates instead.
 */
export async function startInstance(region: string, id: string, context: Context): Promise<void> {
  await stopInstance(region, id, context);
  await (await ec2(region)).startInstances({ InstanceIds: [id] });
  let isStarting = false;
  await waitForInstance(region, id, "to be running", context, (instance) => {
    const state = instance?.State?.Name ?? "gone";
    if (state === "running") return { done: undefined };
    // It is still `stopped` for a moment; without capacity it returns to that after `pending`.
    isStarting ||= state === "pending";
    if (state === "pending" || (state === "stopped" && !isStarting)) return { state };
    return { failed: instance ? `it is ${state}: ${stateReason(instance)}` : "it is gone" };
  });
}

/** Terminates instances and waits until they are gone. No-op for those that no longer exist. */
export async function terminateInstances(region: string, instances: Instance[], context: Context): Promise<void> {
  const client = await ec2(region);
  // A persistent request would replace a machine that ends.
  const requests = instances.flatMap(({ SpotInstanceRequestId }) => SpotInstanceRequestId ?? []);
  // AWS forgets requests two days after their end, but an instance keeps its request's id forever.
  for (const id of requests) await unlessGone(client.cancelSpotInstanceRequests({ SpotInstanceRequestIds: [id] }));
  for (const { InstanceId } of instances) {
    try {
      await client.terminateInstances({ InstanceIds: [InstanceId!] });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  for (const { InstanceId } of instances) {
    await waitForInstance(region, InstanceId!, "to be terminated", context, (instance) => {
      const state = instance?.State?.Name ?? "terminated";
      return state === "terminated" ? { done: undefined } : { state };
    });
    context.progress(`terminated ${InstanceId} in ${region}`);
  }
}

async function waitForInstance(
  region: string,
  id: string,
  until: string,
  context: Context,
  judge: (instance: Instance | undefined) => Seen<undefined>,
): Promise<void> {
  const lookAt = `aws ec2 describe-instances --region ${region} --instance-ids ${id}`;
  const look = async () => judge(await findInstance(region, id));
  await waitFor({ what: `instance ${id} in ${region}`, until, deadline: machineSeconds, lookAt, look }, context);
}

/**
 * Removes a machine and what belongs to it: the instance, leftover volumes, its security group and key pair.
 * @param name The machine's name, from its lease.
 */
export async function dropMachine(region: string, name: string, context: Context): Promise<void> {
  const mine = { [tagNames.machine]: name };
  await terminateInstances(region, await findInstances(region, mine), context);
  const client = await ec2(region);
  const Filters = tagFilters(mine);
  const { Volumes = [] } = await client.describeVolumes({
    Filters: [...Filters, { Name: "status", Values: ["available", "error", "creating"] }],
  });
  for (const { VolumeId } of Volumes) await unlessGone(client.deleteVolume({ VolumeId }));
  const { SecurityGroups = [] } = await client.describeSecurityGroups({ Filters });
  for (const { GroupId } of SecurityGroups) await removeSecurityGroup(region, GroupId!, context);
  const { KeyPairs = [] } = await client.describeKeyPairs({ Filters });
  for (const { KeyName } of KeyPairs) await unlessGone(client.deleteKeyPair({ KeyName }));
}

/** Removes unproven images made from a machine: no output names them, and nothing else looks for them. */
export async function dropUnprovenImages(region: string, name: string, context: Context): Promise<void> {
  for (const image of await findImages(region, { [tagNames.machine]: name })) {
    if (tagsOf(image)[tagNames.proven] === undefined) await removeImage(region, image.ImageId!, context);
  }
}

/** The stack declares finished images with these tags: they no longer go with the machines that they were made from. */
export async function disownImages(region: string, tags: Tags): Promise<void> {
  const made = (await findImages(region, tags)).filter(
    (image) => image.State === "available" && tagsOf(image)[tagNames.machine] !== undefined,
  );
  const Resources = made.map(({ ImageId }) => ImageId!);
  if (made.length > 0) await (await ec2(region)).deleteTags({ Resources, Tags: [{ Key: tagNames.machine }] });
}

/** Names of the machines that have these tags, even if only their security group is left. */
export async function machineNames(region: string, tags: Tags, worker: string | undefined): Promise<string[]> {
  const client = await ec2(region);
  const Filters = tagFilters(tags);
  const [instances, groups, keys] = await Promise.all([
    findInstances(region, tags),
    client.describeSecurityGroups({ Filters }),
    client.describeKeyPairs({ Filters }),
  ]);
  const things = [...instances, ...(groups.SecurityGroups ?? []), ...(keys.KeyPairs ?? [])].map(tagsOf);
  const own = things.filter((tags) => isOfWorker(ec2Labels, tags, worker));
  return [...new Set(own.flatMap((tags) => tags[tagNames.machine] ?? []))];
}

/** Waits until a group can be deleted: AWS removes the terminated machine's network interface some seconds later. */
async function removeSecurityGroup(region: string, id: string, context: Context): Promise<void> {
  const client = await ec2(region);
  const lookAt = `aws ec2 describe-network-interfaces --region ${region} --filters Name=group-id,Values=${id}`;
  const look = async (): Promise<Seen<undefined>> => {
    try {
      await client.deleteSecurityGroup({ GroupId: id });
      return { done: undefined };
    } catch (error) {
      if (isGone(error)) return { done: undefined };
      if (errorCode(error) === "DependencyViolation") return { state: "in use" };
      throw error;
    }
  };
  await waitFor(
    { what: `security group ${id} in ${region}`, until: "to be deleted", deadline: 300, lookAt, look },
    context,
  );
}

async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
