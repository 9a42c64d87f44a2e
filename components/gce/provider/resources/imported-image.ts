// An image made from a disk that was baked on this computer: uploads the disk to a bucket, makes the image, and deletes
// the object. Our own resource, because the object must be deleted even if the image fails.
import { packFacts, unpackFacts } from "../../../../common/image-facts.ts";
import { formatExpiry, labelKey } from "../../../../common/labels.ts";
import { gceLabels } from "../../facts/labels.ts";
import { gibibyte } from "../../../../common/sizes.ts";
import { UserError } from "../../../../common/user-error.ts";
import { Compute, unwatched } from "../compute.ts";
import { diskArchive } from "../disk-archive.ts";
import { findFinishedImage, limits, marks, refuseOthersImage } from "../machines.ts";
import { Bucket } from "../storage.ts";
import type { Image } from "../types.ts";
import { assertRunsOn } from "../../../local/provider/disk/guest-facts.ts";
import { finishedImage, withDisk } from "../../../local/provider/disk/image-disk.ts";
import { ImportedImage, ImportLease, type Facts, type Importing } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { uploadProgress } from "../../../../provider/kit/upload-progress.ts";

/** Requirements of machines with default settings. */
const needs = { cloud: "Compute Engine", disk: "virtio_scsi", network: "virtio_net", dataSources: ["GCE"] };

/** A description holds 2048 characters. */
const packing = { longest: 2048, dispensable: ["plan"] };

export const gceImportedImage = implement(ImportedImage, {
  // Its name comes from its recipe. One in another project stays until its successor is verified.
  deleteBeforeReplace: (changed) => !changed.includes("project"),

  async drift(_id, { project, name }) {
    const compute = await Compute.open(project, unwatched);
    return (await compute.find<Image>(`global/images/${name}`)) ? "none" : "replace";
  },

  async create(inputs, context) {
    const { project, name, importing } = inputs;
    const compute = await Compute.open(project, context);
    if (!importing) {
      const found = "is gone";
      throw new UserError({ where: `image ${name} in ${project}`, found, cure: "run `pulumi up` again" });
    }
    const present = await finishedEarlier(compute, name, importing, context);
    const image = present ?? (await makeImage(compute, name, importing, context));
    return { id: name, outputs: stateOf(inputs, image) };
  },

  async read(_id, state, context) {
    const compute = await Compute.open(state.project, context);
    const image = await compute.find<Image>(`global/images/${state.name}`);
    return image && stateOf(state, image);
  },

  async delete(_id, { project, name }, context) {
    const compute = await Compute.open(project, context);
    await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
  },
});

/**
 * An image that an interrupted `pulumi up` finished. Removes a failed one.
 * @throws UserError if the name belongs to an image of others, or of another recipe.
 */
async function finishedEarlier(
  compute: Compute,
  name: string,
  { recipe, labels }: Importing,
  context: Context,
): Promise<Image | undefined> {
  const image = await findFinishedImage(compute, name, context);
  if (!image) return undefined;
  refuseOthersImage(compute, image, labels);
  if (unpackFacts(image.description)?.recipe !== recipe) {
    throw new UserError({
      where: `Compute Engine, project ${compute.project}, image ${name}`,
      found: "already exists, and is not of this recipe",
      cure: "delete it, then run `pulumi up` again",
    });
  }
  if (image.status === "READY") {
    context.progress(`image ${name} already exists; adopted`);
    return image;
  }
  await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
  context.progress(`removed image ${name}, which was ${image.status}`);
  return undefined;
}

async function makeImage(compute: Compute, name: string, importing: Importing, context: Context): Promise<Image> {
  const { folder, recipe, object, line, facts, expires, labels, guestOsFeatures, storageLocations } = importing;
  const { progress, signal } = context;
  const local = await finishedImage({ folder, recipe });
  assertRunsOn(local, needs);
  // Not every kernel has gVNIC's driver.
  const gve = local.manifest.guest?.drivers.gve;
  const features = guestOsFeatures.filter((feature) => feature !== "GVNIC" || gve !== "missing");
  const { builder, size } = local.manifest;
  const bucket = await Bucket.open(importing.bucket, context);
  try {
    await withDisk(
      local,
      "raw in GiB",
      async (disk) => {
        const shown = uploadProgress(`gs://${bucket.name}/${object}`, undefined, progress);
        await bucket.upload(object, diskArchive(disk, signal), { [labelKey(gceLabels, "expires")]: expires }, shown);
      },
      progress,
      signal,
    );
    progress(`making image ${name} from a disk of ${Math.ceil(size / gibibyte)} GiB`, true);
    await compute.change("POST", "global/images", {
      what: `making image ${name}`,
      seconds: limits.image,
      body: {
        name,
        description: packFacts(line, { ...facts, builder, expires }, packing),
        labels,
        rawDisk: { source: `https://storage.googleapis.com/${bucket.name}/${object}`, containerType: "TAR" },
        architecture: "X86_64",
        guestOsFeatures: features.map((type) => ({ type })),
        ...(storageLocations.length > 0 && { storageLocations }),
      },
    });
  } finally {
    await removeObject(bucket.name, object, progress);
  }
  const image = await compute.find<Image>(`global/images/${name}`);
  if (!image) throw new UserError({ where: `image ${name} in ${compute.project}`, found: "is gone" });
  return image;
}

/** Removes the object, even if the user has cancelled. If it can't be removed, its lease tries again. */
async function removeObject(bucket: string, object: string, progress: Context["progress"]): Promise<void> {
  try {
    await (await Bucket.open(bucket, unwatched)).remove(object);
  } catch (error) {
    // Not thrown, because it would hide why the import failed, or that it didn't.
    progress(`gs://${bucket}/${object} could not be removed yet: ${(error as Error).message}`);
  }
}

function stateOf({ project, name }: { project: string; name: string }, image: Image) {
  const { builder } = unpackFacts(image.description) as unknown as Facts;
  const { selfLink, creationTimestamp, diskSizeGb } = image;
  return { project, name, selfLink, creationTimestamp, diskSizeGb: Number(diskSizeGb), builder };
}

export const gceImportLease = implement(ImportLease, {
  async create(inputs, context) {
    // Check the bucket before anything is packed.
    await (await Bucket.open(inputs.bucket, context)).check();
    const expires = formatExpiry(new Date(Date.now() + inputs.lifetime * 1000));
    return { id: `${inputs.image}@${expires}`, outputs: { ...inputs, expires } };
  },
  async delete(_id, { project, bucket, object, image: name }, context) {
    const compute = await Compute.open(project, context);
    // Google may still be making it, from the object.
    const image = await findFinishedImage(compute, name, context);
    await (await Bucket.open(bucket, context)).remove(object);
    if (!image || image.labels?.[marks.verified] !== undefined) return;
    await compute.remove(`global/images/${name}`, `image ${name}`, limits.small);
  },
});
