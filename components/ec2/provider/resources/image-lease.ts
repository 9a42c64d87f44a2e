// The lease of an AMI: made before the image and dropped after it. Dropping the lease makes sure that the image and its
// snapshots are gone, whatever happened in between. AMIs are declared with `deletedWith` their lease: the official
// resources forget the snapshots of an AMI that failed, was imported, or was deregistered by hand.
import { asking } from "../client.ts";
import { removeImage, removeOrphanedSnapshots } from "../images.ts";
import { findImages, findUntaggedImages, tagsOf } from "../tagged-resources.ts";
import { isOfWorker } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { tagKey } from "../../facts/tags.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface ImageLeaseInputs {
  region: string;
  /** The name that the image is to have, in its first attempt. */
  name: string;
  /** What image and snapshots carry: project, stack, distribution, recipe and role. */
  tags: Record<string, string>;
}

/** Leases made by earlier versions have no name. */
type ImageLeaseState = Omit<ImageLeaseInputs, "name"> & { name?: string };

/** `ci-images:ec2:ImageLease`. */
export const imageLease: ResourceType<ImageLeaseInputs, ImageLeaseState> = {
  token: "ci-images:ec2:ImageLease",
  inputs: {
    type: "object",
    properties: { region: { type: "string" }, name: { type: "string" }, tags: { type: "object", minProperties: 3 } },
    required: ["region", "name", "tags"],
  },
  replaceOn: ["region", "tags"],
  async create(inputs) {
    return { id: `${inputs.region}/${Object.values(inputs.tags).join("/")}`, outputs: inputs };
  },
  async update(_id, _state, inputs) {
    return Promise.resolve(inputs);
  },
  async delete(_id, { region, name, tags }, { progress }) {
    await asking(`removing an image and its snapshots in ${region}`, async () => {
      const images = [
        ...(await findImages(region, tags)),
        ...(await findUntaggedImages(region, name === undefined ? [] : [name])),
      ];
      const worker = tags[tagKey("worker")];
      // Those that were not tagged yet have the image's own name.
      const own = images.filter(
        (image) => !tagsOf(image)[tagKey("recipe")] || isOfWorker(ec2Labels, tagsOf(image), worker),
      );
      for (const { ImageId } of own) await removeImage(region, ImageId!, progress);
      await removeOrphanedSnapshots(region, tags, worker, progress);
    });
  },
};

export interface FailedImagesInputs {
  region: string;
  /** Their ids. */
  images: string[];
}

/**
 * `ci-images:ec2:FailedImages`: removes AMIs that AWS failed to make, before others take their place. Nothing to
 * delete: the next `pulumi up` that finds no failed image drops the record.
 */
export const failedImages: ResourceType<FailedImagesInputs, FailedImagesInputs> = {
  token: "ci-images:ec2:FailedImages",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string" },
      images: { type: "array", items: { type: "string" }, minItems: 1 },
    },
    required: ["region", "images"],
  },
  replaceOn: ["region", "images"],
  async create(inputs, { progress }) {
    const { region, images } = inputs;
    for (const id of images) await asking(`removing ${id} in ${region}`, () => removeImage(region, id, progress));
    return { id: images.join(" "), outputs: inputs };
  },
};
