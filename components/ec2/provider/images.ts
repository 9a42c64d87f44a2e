// Waits for images, and removes them with their snapshots.
import type { Image } from "@aws-sdk/client-ec2";
import type { Context } from "../../../provider/resource.ts";
import { waitFor, type Seen } from "../../../provider/kit/wait.ts";
import { ec2, errorCode, isGone } from "./client.ts";
import { isOfWorker } from "../../../common/labels.ts";
import { ec2Labels } from "../facts/labels.ts";
import { UserError } from "../../../common/user-error.ts";
import { tagNames } from "../facts/tags.ts";
import { forgetImport } from "./import-journal.ts";
import { findImage, findImages, findSnapshots, imagesOn, snapshotsOf, tagsOf, type Tags } from "./tagged-resources.ts";

/** Seconds that AWS may take to copy a disk into an image. */
const imageSeconds = 60 * 60;

/**
 * Seconds for which EC2 may not know an image that it has just registered.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
 */
const unseenSeconds = 60;

/** Seconds for which EC2 may say that a deregistered image still uses its snapshot. */
const releaseSeconds = 120;

/** Whether an image is ready, still being made, failed, or disabled by somebody. */
export function imageProgress({ State }: Image): "available" | "under way" | "failed" | "disabled" {
  if (State === "available" || State === "disabled") return State;
  return State === "pending" || State === "transient" ? "under way" : "failed";
}

/** Whether a stack counts an image as its own. AWS may still be making it: a second one can't have the same name. */
export function isUsable(image: Image): boolean {
  return ["available", "under way"].includes(imageProgress(image));
}

/** Why an image failed, in AWS's words. */
export function imageReason({ StateReason }: Image): string {
  return StateReason?.Message ?? "AWS gives no reason";
}

/**
 * Waits until an image can be used.
 * @param isNew Whether it has just been made, so that EC2 may not know it yet.
 * @throws UserError with AWS's reason if it failed or no longer exists.
 */
export async function waitForImage(region: string, id: string, context: Context, isNew = false): Promise<Image> {
  const knownBy = isNew ? Date.now() + unseenSeconds * 1000 : 0;
  return waitFor<Image>(
    {
      what: `image ${id} in ${region}`,
      until: "to be available",
      deadline: imageSeconds,
      lookAt: `aws ec2 describe-images --region ${region} --image-ids ${id}`,
      async look() {
        const image = await findImage(region, id);
        if (!image) return Date.now() < knownBy ? { state: "not visible yet" } : { failed: "it is gone" };
        const { State = "unknown" } = image;
        const progress = imageProgress(image);
        if (progress === "available") return { done: image };
        if (progress === "under way") return { state: State };
        const cure = "the next `pulumi up` makes another";
        return { failed: `it is ${State}: ${imageReason(image)}`, cure };
      },
    },
    context,
  );
}

/**
 * Deregisters an image and deletes its snapshots. No-op for those that no longer exist.
 * @throws UserError if a proven image is protected from deregistration, or a snapshot is not released.
 */
export async function removeImage(region: string, id: string, context: Context): Promise<void> {
  const image = await findImage(region, id);
  if (!image) return;
  const client = await ec2(region);
  if (isProtected(image)) {
    if (tagsOf(image)[tagNames.proven] !== undefined) refuseProtected(region, id);
    // Only our own setting protects an image that was never proven, and such an image is unused.
    await client.disableImageDeregistrationProtection({ ImageId: id });
  }
  try {
    await client.deregisterImage({ ImageId: id });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  context.progress(`deregistered ${id} in ${region}`);
  for (const snapshot of snapshotsOf(image)) await removeSnapshot(region, snapshot, context, id);
}

/** Whether AWS would refuse to deregister an image. */
export function isProtected({ DeregistrationProtection }: Image): boolean {
  // `enabled-without-cooldown`, `enabled-with-cooldown`; `disabled`.
  return DeregistrationProtection?.startsWith("enabled") ?? false;
}

/** Refuses to remove a protected image, and tells the user how. */
export function refuseProtected(region: string, id: string): never {
  throw new UserError({
    where: `image ${id} in ${region}`,
    found: "it is protected from deregistration",
    cure: `if it is no longer needed: aws ec2 disable-image-deregistration-protection --region ${region} --image-id ${id}, then run the command again`,
  });
}

/**
 * Deletes snapshots with these tags that no longer belong to an image: it was deregistered by hand, or by a provider
 * that did not know of them.
 */
export async function removeOrphanedSnapshots(
  region: string,
  tags: Tags,
  worker: string | undefined,
  context: Context,
): Promise<void> {
  const [found, images] = await Promise.all([findSnapshots(region, tags), findImages(region, tags)]);
  const used = new Set(images.flatMap(snapshotsOf));
  const own = found.filter((snapshot) => isOfWorker(ec2Labels, tagsOf(snapshot), worker));
  for (const { SnapshotId } of own.filter(({ SnapshotId }) => !used.has(SnapshotId!))) {
    await removeSnapshot(region, SnapshotId!, context);
  }
}

/**
 * Deletes a snapshot unless an image needs it. Waits if EC2 says that it is in use but no image is on it any more. No-op
 * if it no longer exists.
 * @param deregistered An image that no longer counts, although EC2 may still list it.
 */
export async function removeSnapshot(
  region: string,
  id: string,
  context: Context,
  deregistered?: string,
): Promise<void> {
  const client = await ec2(region);
  const look = async (): Promise<Seen<undefined>> => {
    try {
      await client.deleteSnapshot({ SnapshotId: id });
      context.progress(`deleted ${id} in ${region}`);
    } catch (error) {
      if (errorCode(error) === "InvalidSnapshot.InUse") {
        const [user] = (await imagesOn(region, id)).filter(({ ImageId }) => ImageId !== deregistered);
        if (!user) return { state: "in use" };
        context.progress(`kept ${id} in ${region}: image ${user.ImageId} needs it`);
      } else if (!isGone(error)) throw error;
    }
    await forgetImport(id);
    return { done: undefined };
  };
  const lookAt = `aws ec2 describe-images --region ${region} --owners self --filters Name=block-device-mapping.snapshot-id,Values=${id}`;
  const what = `snapshot ${id} in ${region}`;
  await waitFor({ what, until: "to be released", deadline: releaseSeconds, lookAt, look }, context);
}
