// What the official AMI resources lack: attributes and tags on snapshots, the mark of a proven image, images missing
// from the state, and snapshots that would be left behind.
import type { Image } from "@aws-sdk/client-ec2";
import { asking, ec2 } from "../client.ts";
import { isProtected, refuseProtected, removeImage, waitForImage } from "../images.ts";
import { tagKey, tagNames } from "../../facts/tags.ts";
import { findImage, putTags, snapshotsOf } from "../tagged-resources.ts";
import { AdoptedImage, ImageAttributes, Promotion } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";
import { passedChecks } from "../../../../provider/kit/proof.ts";
import { step } from "../../../../provider/kit/steps.ts";

/** Deleting this resource removes the protection, so that the image can be deregistered. */
export const imageAttributes = implement(ImageAttributes, {
  async create(inputs, context) {
    const { region, image: id } = inputs;
    return asking(`setting attributes of ${id} in ${region}`, async () => {
      const image = await waitForImage(region, id, context);
      const client = await ec2(region);
      // Tags first: from then on the snapshots can always be found.
      const snapshots = snapshotsOf(image);
      await putTags(region, snapshots, inputs.tags);
      await client.modifyImageAttribute({ ImageId: id, ImdsSupport: { Value: "v2.0" } });
      const builtAt = new Date(image.CreationDate!).toISOString();
      if (inputs.deprecateAfter !== undefined) await deprecate(region, image, inputs.deprecateAfter);
      if (inputs.protect) await client.enableImageDeregistrationProtection({ ImageId: id });
      return { id, outputs: { ...inputs, name: image.Name!, builtAt, snapshots } };
    });
  },

  async read(id, state) {
    return (await asking(`looking at ${id} in ${state.region}`, () => findImage(state.region, id))) && state;
  },

  async update(id, state, inputs) {
    const { region } = state;
    return asking(`setting attributes of ${id} in ${region}`, async () => {
      const client = await ec2(region);
      await putTags(region, state.snapshots, inputs.tags);
      if (inputs.deprecateAfter !== undefined) {
        const image = await findImage(region, id);
        const isUnset = image?.DeprecationTime === undefined;
        const isChanged = inputs.deprecateAfter !== state.deprecateAfter;
        if (image && (isUnset || isChanged)) await deprecate(region, image, inputs.deprecateAfter);
      } else if (state.deprecateAfter !== undefined) await client.disableImageDeprecation({ ImageId: id });
      if (inputs.protect && !state.protect) await client.enableImageDeregistrationProtection({ ImageId: id });
      if (!inputs.protect && state.protect) await client.disableImageDeregistrationProtection({ ImageId: id });
      return { ...state, deprecateAfter: undefined, ...inputs };
    });
  },

  async delete(id, { region, protect }) {
    await asking(`removing the protection of ${id} in ${region}`, async () => {
      const image = await findImage(region, id);
      if (!image || !isProtected(image)) return;
      // The image is deleted next. Refuse here, while all of it still exists.
      if (!protect) refuseProtected(region, id);
      await (await ec2(region)).disableImageDeregistrationProtection({ ImageId: id });
    });
  },
});

/**
 * Sets when an image becomes deprecated. AWS accepts no date in the past, so an overdue image is deprecated in the next
 * minute, unless it already is.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html
 * @param seconds Counted from the image's creation.
 */
async function deprecate(region: string, image: Image, seconds: number): Promise<void> {
  const wanted = Date.parse(image.CreationDate!) + seconds * 1000;
  // The call takes time, and AWS rounds to the minute.
  const soonest = Date.now() + 60_000;
  const isOver = image.DeprecationTime !== undefined && Date.parse(image.DeprecationTime) < Date.now();
  if (wanted < soonest && isOver) return;
  const DeprecateAt = new Date(Math.max(wanted, soonest));
  await (await ec2(region)).enableImageDeprecation({ ImageId: image.ImageId!, DeprecateAt });
}

export const ec2Promotion = step(
  Promotion,
  ({ image }) => image,
  ({ region, image, how, report }) =>
    asking(`tagging ${image} in ${region}`, async () => {
      const verified = `${how}, ${passedChecks(report).length} checks`.slice(0, 255);
      await putTags(region, [image], { [tagNames.proven]: new Date().toISOString(), [tagNames.verified]: verified });
      // It is no longer a leftover.
      await (await ec2(region)).deleteTags({ Resources: [image], Tags: [{ Key: tagKey("expires") }] });
    }),
);

export const adoptedImage = implement(AdoptedImage, {
  async create(inputs, context) {
    const { region, image, tags } = inputs;
    await asking(`adopting ${image} in ${region}`, async () => {
      // Tags first: from now on they identify the image.
      await putTags(region, [image], tags);
      await waitForImage(region, image, context);
    });
    return { id: image, outputs: inputs };
  },
  async update(id, _state, inputs) {
    const { region, tags } = inputs;
    await asking(`tagging ${id} in ${region}`, () => putTags(region, [id], tags));
    return inputs;
  },
  async read(id, state) {
    return (await asking(`looking at ${id} in ${state.region}`, () => findImage(state.region, id))) && state;
  },
  async delete(id, { region }, context) {
    await asking(`removing ${id} in ${region}`, () => removeImage(region, id, context));
  },
});
