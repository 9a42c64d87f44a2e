// Frees an image's name. The name comes from the recipe, so a failed image would block every later attempt. The
// official provider doesn't record an image whose creation failed, and so never deletes it.
import { UserError } from "../../../../common/user-error.ts";
import { ownLabels } from "../../facts/labels.ts";
import { Compute, unwatched } from "../compute.ts";
import { ComputeError } from "../errors.ts";
import { findFinishedImage, limits, marks, refuseOthersImage } from "../machines.ts";
import type { Image, Operation } from "../types.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Clearing } from "../../contract.ts";
import { implement, type Context } from "../../../../provider/resource.ts";
import { waitFor } from "../../../../provider/kit/wait.ts";

type ClearingInputs = InputsOf<typeof Clearing>;

export const gceClearing = implement(Clearing, {
  /** Only declared if the survey found no finished image: whatever has the name now is in the way. */
  async drift(_id, { project, image }) {
    const compute = await Compute.open(project, unwatched);
    return (await compute.find<Image>(`global/images/${image}`)) === undefined ? "none" : "replace";
  },

  async create(inputs, context) {
    const { project, image, owner } = inputs;
    const compute = await Compute.open(project, context);
    const path = `global/images/${image}`;
    const left = await findFinishedImage(compute, image, context, "to be finished, so that it can be removed");
    if (left && owner) refuseOthersImage(compute, left, ownLabels(owner));
    if (left?.labels?.[marks.verified] !== undefined) {
      throw new UserError({
        where: `Compute Engine, project ${project}, image ${image}`,
        found: "exists and is verified, but its labels or its description were changed",
        cure: "delete it, or restore its description",
      });
    }
    if (left !== undefined) {
      await compute.remove(path, `image ${image}`, limits.small);
      context.progress(`removed image ${image}, which was ${left.status}: left by an earlier bake`);
    }
    const made = { id: `${image}@${inputs.instance}`, outputs: inputs };
    const earlier = await earlierOperations(compute, image);
    return earlier ? { ...made, meanwhile: (context) => tellLostReason(inputs, earlier, context) } : made;
  },
});

/** The one error code that the official provider doesn't report. */
const lost = "RESOURCE_NOT_READY";

/**
 * Waits until the official provider's operation on the image ends, and reports the reason that gets lost: that provider
 * retries twenty times, over three minutes, and then says "couldn't find resource (21 retries)".
 * `IsRetryable` in
 * https://github.com/hashicorp/terraform-provider-google-beta/blob/v7.45.0/google-beta/services/compute/compute_operation.go
 * @param earlier Names of operations on earlier images of that name.
 */
async function tellLostReason(
  { project, image }: ClearingInputs,
  earlier: ReadonlySet<string>,
  context: Context,
): Promise<void> {
  const compute = await Compute.open(project, context);
  const ended = await waitFor<Operation>(
    {
      what: `the operation that makes image ${image}`,
      until: "to be DONE",
      deadline: limits.image,
      lookAt: `gcloud compute operations list --project=${project} --filter="targetLink ~ /${image}$"`,
      look: async () => {
        const operations = await operationsOn(compute, image);
        const own = operations.find(({ name, operationType }) => operationType === "insert" && !earlier.has(name));
        return own?.status === "DONE" ? { done: own } : { state: own?.status ?? "not there yet" };
      },
    },
    // The image itself shows the progress.
    { ...context, progress: () => {} },
  );
  for (const { code, message } of ended.error?.errors ?? []) {
    if (code === lost) context.progress(`image ${image} can't be made: ${message ?? "no reason was given"} (${code})`);
  }
}

/** @returns names of operations; undefined if the user's role may not list operations, which only this step needs. */
async function earlierOperations(compute: Compute, image: string): Promise<ReadonlySet<string> | undefined> {
  try {
    return new Set((await operationsOn(compute, image)).map(({ name }) => name));
  } catch (error) {
    if (error instanceof ComputeError && error.status === 403) return undefined;
    throw error;
  }
}

function operationsOn(compute: Compute, image: string): Promise<Operation[]> {
  // Links start differently in each version of the API.
  return compute.list<Operation>("global/operations", `targetLink eq ".*/global/images/${image}"`);
}
