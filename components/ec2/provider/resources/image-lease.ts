// The lease of an AMI: made before the image and dropped after it. Dropping the lease makes sure that the image and its
// snapshots are gone, whatever happened in between. AMIs are declared with `deletedWith` their lease: the official
// resources forget the snapshots of an AMI that failed, was imported, or was deregistered by hand.
import { asking } from "../client.ts";
import { removeImage, removeOrphanedSnapshots } from "../images.ts";
import { isOfWorker } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { tagKey } from "../../facts/tags.ts";
import { findImages, findUntaggedImages, tagsOf } from "../tagged-resources.ts";
import { FailedImages, ImageLease } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

export const imageLease = implement(ImageLease, {
  async create(inputs) {
    return { id: `${inputs.region}/${Object.values(inputs.tags).join("/")}`, outputs: inputs };
  },
  async update(_id, _state, inputs) {
    return Promise.resolve(inputs);
  },
  async delete(_id, { region, name, tags }, context) {
    await asking(`removing an image and its snapshots in ${region}`, async () => {
      const images = [
        ...(await findImages(region, tags)),
        ...(await findUntaggedImages(region, name === undefined ? [] : [name])),
      ];
      const worker = tags[tagKey("worker")];
      // Images that have no tags yet were found by the image's name.
      const own = images.filter(
        (image) => !tagsOf(image)[tagKey("recipe")] || isOfWorker(ec2Labels, tagsOf(image), worker),
      );
      for (const { ImageId } of own) await removeImage(region, ImageId!, context);
      await removeOrphanedSnapshots(region, tags, worker, context);
    });
  },
});

/** Nothing to delete: the next `pulumi up` that finds no failed image drops the record. */
export const failedImages = implement(FailedImages, {
  async create(inputs, context) {
    const { region, images } = inputs;
    for (const id of images) await asking(`removing ${id} in ${region}`, () => removeImage(region, id, context));
    return { id: images.join(" "), outputs: inputs };
  },
});
