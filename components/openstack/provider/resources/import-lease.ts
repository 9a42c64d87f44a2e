// The lease of an import: made before the upload. Dropping it makes sure that no incomplete image is left, whatever
// happened in between.
import { cloudName, formatExpiry, labelKey, isOfWorker } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { dropImage, dropUnproven, imagesWith, isComplete } from "../images.ts";
import { Region } from "../region.ts";
import { ImportLease } from "../../contract.ts";
import { newLease } from "../../../../provider/kit/lease.ts";
import { implement } from "../../../../provider/resource.ts";

export const importLease = implement(ImportLease, {
  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    const { project, stack, distribution } = inputs.labels;
    for (const image of await imagesWith(region, { project, stack, distribution, role: "image" })) {
      // Only imports: an image that Nova makes from a builder belongs to the builder's lease.
      if (!isOfWorker(openstackLabels, image, inputs.labels.worker)) continue;
      const isHalf = !isComplete(image) && image[labelKey(openstackLabels, "imported")] !== undefined;
      if (!isHalf) continue;
      await dropImage(region, image.id);
      context.progress(`removed image ${image.id}, left by an earlier import`);
    }
    const name = (prefix: string, suffix: string) => cloudName(openstackLabels, prefix, suffix);
    const { machine, deadline } = newLease(inputs, name);
    return { id: machine, outputs: { ...inputs, machine, expires: formatExpiry(deadline) } };
  },

  async delete(_id, { region: name, machine }, context) {
    await dropUnproven(new Region(name, context), machine);
  },
});
