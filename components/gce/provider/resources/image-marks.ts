// Changes a finished image: marks it as verified, and adds it to a family. The API changes labels and family in place
// (https://cloud.google.com/compute/docs/reference/rest/v1/images/patch); the official provider would replace the
// image.
import { formatExpiry } from "../../../../common/labels.ts";
import { UserError } from "../../../../common/user-error.ts";
import { Compute, unwatched } from "../compute.ts";
import { changeLabels, limits, marks } from "../machines.ts";
import type { Image } from "../types.ts";
import { Family, Promotion } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { step } from "../../../../provider/kit/steps.ts";

export const gcePromotion = step(
  Promotion,
  ({ image, builtAt }) => `${image}@${builtAt}`,
  async ({ project, image }, context) => {
    const compute = await Compute.open(project, context);
    await changeLabels(compute, `global/images/${image}`, {
      [marks.verified]: formatExpiry(new Date()).toLowerCase(),
    });
  },
);

export const gceFamily = implement(Family, {
  async drift(_id, { project, image, family }) {
    const compute = await Compute.open(project, unwatched);
    const found = await compute.find<Image>(`global/images/${image}`);
    return found === undefined || found.family === family ? "none" : "update";
  },

  async create(inputs, context) {
    await setFamily(inputs, inputs.family, context);
    return { id: inputs.image, outputs: inputs };
  },

  async read(_id, state, context) {
    const compute = await Compute.open(state.project, context);
    const found = await compute.find<Image>(`global/images/${state.image}`);
    return found?.family === undefined ? undefined : { ...state, family: found.family };
  },

  async update(_id, _state, inputs, context) {
    await setFamily(inputs, inputs.family, context);
    return inputs;
  },

  async delete(_id, { project, image, family }, context) {
    const compute = await Compute.open(project, context);
    const found = await compute.find<Image>(`global/images/${image}`);
    if (found?.family === family) await setFamily({ project, image }, null, context);
  },
});

/** @param family The name, or null for no family: a patch removes fields that are null. */
async function setFamily(
  { project, image }: { project: string; image: string },
  family: string | null,
  context: Context,
): Promise<void> {
  const compute = await Compute.open(project, context);
  const path = `global/images/${image}`;
  if ((await compute.find<Image>(path)) === undefined) {
    throw new UserError({ where: `Compute Engine, image ${image}`, found: "is gone", cure: "run `pulumi up` again" });
  }
  await compute.change("PATCH", path, {
    what: `family of image ${image}`,
    seconds: limits.small,
    body: { family },
  });
}
