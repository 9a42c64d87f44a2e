// The lease of an import: made before the upload and dropped after it. Dropping the lease makes sure that no incomplete
// image is left, whatever happened in between.
import { randomBytes } from "node:crypto";
import { cloudName, formatExpiry, labelKey, ownerLabels, isOfWorker, type Labels } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { dropImage, dropUnproven, imagesWith, isComplete } from "../images.ts";
import { Region } from "../region.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";

export interface ImportLeaseInputs {
  region: string;
  /** The first part of the lease's name. */
  prefix: string;
  /** What the image is found by when the state is lost. */
  labels: Omit<Labels, "expires">;
  /** Seconds after which an image that was not proven by then may be swept away. */
  lifetime: number;
}

export interface ImportLeaseState extends ImportLeaseInputs {
  /** Its name, never used twice; images carry it as label `machine` until they are proven. */
  machine: string;
  /** As `formatExpiry` of common/labels.ts writes it. */
  expires: string;
}

/** `ci-images:rackspace:ImportLease`. */
export const importLease: ResourceType<ImportLeaseInputs, ImportLeaseState> = {
  token: "ci-images:rackspace:ImportLease",
  inputs: {
    type: "object",
    properties: {
      region: { type: "string", minLength: 1 },
      prefix: { type: "string", minLength: 1 },
      labels: { type: "object", required: [...ownerLabels] },
      lifetime: { type: "integer", minimum: 60 },
    },
    required: ["region", "prefix", "labels", "lifetime"],
  },
  replaceOn: ["region", "prefix", "labels"],

  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    const { project, stack, distribution } = inputs.labels;
    for (const image of await imagesWith(region, { project, stack, distribution, role: "image" })) {
      // Only imports: images that Nova makes from a builder belong to the builder's lease.
      if (!isOfWorker(openstackLabels, image, inputs.labels.worker)) continue;
      const isHalf = !isComplete(image) && image[labelKey(openstackLabels, "imported")] !== undefined;
      if (!isHalf) continue;
      await dropImage(region, image.id);
      context.progress(`removed image ${image.id}, left by an earlier import`);
    }
    const machine = cloudName(openstackLabels, inputs.prefix, randomBytes(3).toString("hex"));
    const expires = formatExpiry(new Date(Date.now() + inputs.lifetime * 1000));
    return { id: machine, outputs: { ...inputs, machine, expires } };
  },

  async delete(_id, { region: name, machine }, context) {
    await dropUnproven(new Region(name, context), machine);
  },
};
