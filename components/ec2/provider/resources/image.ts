// What the official AMI resources lack: attributes and tags on snapshots, the mark of a proven image, images missing
// from the state, and snapshots that would be left behind.
import type { Image } from "@aws-sdk/client-ec2";
import { asking, ec2 } from "../client.ts";
import { isProtected, refuseProtected, removeImage, waitForImage } from "../images.ts";
import { tagKey, tagNames } from "../../facts/tags.ts";
import { findImage, putTags, snapshotsOf } from "../tagged-resources.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";
import { passedChecks, promotionInputs, type Proof } from "../../../../provider/kit/proof.ts";

export interface ImageAttributesInputs {
  region: string;
  /** The AMI's id. */
  image: string;
  /** For its snapshots. */
  tags: Record<string, string>;
  /** Seconds from its making until it is marked as deprecated. */
  deprecateAfter?: number;
  /** Whether it is protected against being deregistered. */
  protect: boolean;
}

export interface ImageAttributesState extends ImageAttributesInputs {
  name: string;
  /** ISO 8601. */
  builtAt: string;
  snapshots: string[];
}

/**
 * `ci-images:ec2:ImageAttributes`: IMDSv2 only for machines booted from the image, tags on its snapshots, deprecation
 * and protection. Deleting it removes the protection, so that the image can be deregistered.
 */
export const imageAttributes: ResourceType<ImageAttributesInputs, ImageAttributesState> = {
  token: "ci-images:ec2:ImageAttributes",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string" },
      image: { type: "string" },
      tags: { type: "object" },
      deprecateAfter: { type: "integer", minimum: 60 },
      protect: { type: "boolean" },
    },
    required: ["region", "image", "tags", "protect"],
  },
  replaceOn: ["region", "image"],

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
};

/**
 * Sets when an image becomes deprecated. AWS accepts no date in the past: an image whose time is over is deprecated at
 * the next minute, unless it is already.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html
 * @param seconds Counted from its making.
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

export interface Ec2PromotionInputs extends Proof {
  region: string;
  image: string;
}

/** `ci-images:ec2:Promotion`: marks a verified image as proven; only proven images are copied and appear in outputs. */
export const ec2Promotion: ResourceType<Ec2PromotionInputs, Ec2PromotionInputs> = {
  token: "ci-images:ec2:Promotion",
  inputs: promotionInputs("region", "image"),
  replaceOn: ["region", "image"],
  async create(inputs) {
    const { region, image, how } = inputs;
    const checks = passedChecks(inputs.report).length;
    await asking(`tagging ${image} in ${region}`, async () => {
      const verified = `${how}, ${checks} checks`.slice(0, 255);
      await putTags(region, [image], { [tagNames.proven]: new Date().toISOString(), [tagNames.verified]: verified });
      // It is no longer a leftover.
      await (await ec2(region)).deleteTags({ Resources: [image], Tags: [{ Key: tagKey("expires") }] });
    });
    return { id: image, outputs: inputs };
  },
};

export interface AdoptedImageInputs {
  region: string;
  /** The AMI's id. */
  image: string;
  /** What it carries: a copy whose making was killed may have none yet. Others that it has stay. */
  tags: Record<string, string>;
}

/**
 * `ci-images:ec2:AdoptedImage`: our image that the state has lost. The official resources can't import one (the
 * provider requires a source instance, which AWS doesn't remember), so this one manages it.
 */
export const adoptedImage: ResourceType<AdoptedImageInputs, AdoptedImageInputs> = {
  token: "ci-images:ec2:AdoptedImage",
  inputs: {
    type: "object",
    properties: { region: { type: "string" }, image: { type: "string" }, tags: { type: "object" } },
    required: ["region", "image", "tags"],
  },
  replaceOn: ["region", "image"],
  async create(inputs, context) {
    const { region, image, tags } = inputs;
    await asking(`adopting ${image} in ${region}`, async () => {
      // At once: from now on they identify it.
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
  async delete(id, { region }, { progress }) {
    await asking(`removing ${id} in ${region}`, () => removeImage(region, id, progress));
  },
};
