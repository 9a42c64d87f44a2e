// Images and their snapshots: waiting until one is there, and removing one without a trace.
import type { Image } from "@aws-sdk/client-ec2";
import type { Context } from "../resource.ts";
import { waitFor } from "../wait.ts";
import { ec2, errorCode, isGone } from "./client.ts";
import { findImage, findSnapshots, snapshotsOf, type Tags } from "./things.ts";

/** Seconds that AWS may take to copy a disk into an image. */
const imageSeconds = 60 * 60;

/**
 * Waits until an image can be used.
 * @throws UserError with AWS's reason when it failed, or is gone.
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
        const { State = "unknown", StateReason } = image;
        if (State === "available") return { done: image };
        if (State === "pending" || State === "transient") return { state: State };
        return { failed: `it is ${State}: ${StateReason?.Message ?? "AWS gives no reason"}` };
      },
    },
    context,
  );
}

/**
 * Deregisters an image and deletes its snapshots. Content when image or snapshots are gone.
 * @param progress Hears of each thing that was removed.
 */
export async function removeImage(region: string, id: string, progress: Context["progress"]): Promise<void> {
  const image = await findImage(region, id);
  if (!image) return;
  const client = await ec2(region);
  if (image.DeregistrationProtection?.startsWith("enabled")) {
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

/**
 * Deletes snapshots that have these tags and belong to no image any more: of an image that was deregistered by hand, or by a
 * provider that did not know of them.
 */
export async function removeOrphanedSnapshots(
  region: string,
  tags: Tags,
  progress: Context["progress"],
): Promise<void> {
  for (const { SnapshotId } of await findSnapshots(region, tags)) {
    await removeSnapshot(region, SnapshotId!, progress);
  }
}

async function removeSnapshot(region: string, id: string, progress: Context["progress"]): Promise<void> {
  try {
    await (await ec2(region)).deleteSnapshot({ SnapshotId: id });
    progress(`deleted ${id} in ${region}`);
  } catch (error) {
    // InvalidSnapshot.InUse: an image still needs it, and it goes with that image.
    if (!isGone(error) && errorCode(error) !== "InvalidSnapshot.InUse") throw error;
  }
}
