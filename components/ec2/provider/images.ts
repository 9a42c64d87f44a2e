// Waits for images, and removes them with their snapshots.
import type { Image } from "@aws-sdk/client-ec2";
import type { Context } from "../../../provider/resource.ts";
import { waitFor } from "../../../provider/kit/wait.ts";
import { ec2, errorCode, isGone } from "./client.ts";
import { isOfWorker } from "../../../common/labels.ts";
import { ec2Labels } from "../facts/labels.ts";
import { UserError } from "../../../common/user-error.ts";
import { tagNames } from "../facts/tags.ts";
import { forgetImport } from "./import-journal.ts";
import { findImage, findSnapshots, snapshotsOf, tagsOf, type Tags } from "./tagged-resources.ts";

/** Seconds that AWS may take to copy a disk into an image. */
const imageSeconds = 60 * 60;

/** Whether an image is ready, still being made, failed, or disabled by somebody. */
export function imageProgress({ State }: Image): "available" | "under way" | "failed" | "disabled" {
  if (State === "available" || State === "disabled") return State;
  return State === "pending" || State === "transient" ? "under way" : "failed";
}

/** Why an image failed, in AWS's words. */
export function imageReason({ StateReason }: Image): string {
  return StateReason?.Message ?? "AWS gives no reason";
}

/**
 * Waits until an image can be used.
 * @throws UserError with AWS's reason if it failed or no longer exists.
 */
export async function waitForImage(region: string, id: string, context: Context): Promise<Image> {
  return waitFor<Image>(
    {
      what: `image ${id} in ${region}`,
      until: "to be available",
      deadline: imageSeconds,
      lookAt: `aws ec2 describe-images --region ${region} --image-ids ${id}`,
      async look() {
        const image = await findImage(region, id);
        if (!image) return { failed: "it is gone" };
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
 * @param progress Reports each removal.
 * @throws UserError if a proven image is protected from deregistration.
 */
export async function removeImage(region: string, id: string, progress: Context["progress"]): Promise<void> {
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
  progress(`deregistered ${id} in ${region}`);
  for (const snapshot of snapshotsOf(image)) await removeSnapshot(region, snapshot, progress);
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
  progress: Context["progress"],
): Promise<void> {
  const found = await findSnapshots(region, tags);
  for (const { SnapshotId } of found.filter((snapshot) => isOfWorker(ec2Labels, tagsOf(snapshot), worker))) {
    await removeSnapshot(region, SnapshotId!, progress);
  }
}

/** Deletes a snapshot unless an image needs it. No-op if it no longer exists. */
export async function removeSnapshot(region: string, id: string, progress: Context["progress"]): Promise<void> {
  try {
    await (await ec2(region)).deleteSnapshot({ SnapshotId: id });
    await forgetImport(id);
    progress(`deleted ${id} in ${region}`);
  } catch (error) {
    // InvalidSnapshot.InUse: an image still needs it; it is deleted with that image.
    if (!isGone(error) && errorCode(error) !== "InvalidSnapshot.InUse") throw error;
  }
}
