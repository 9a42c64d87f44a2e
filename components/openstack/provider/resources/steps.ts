// Steps of the life cycle that act once on a server or an image. Nothing to delete: their records are dropped with the
// builder's by the `pulumi up` after the bake.
import { labelKey } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { UserError } from "../../../../common/user-error.ts";
import { findImage, isComplete, proofProperty, setProperties } from "../images.ts";
import { Region } from "../region.ts";
import { endServer, existingServer, markSealing, stopServer } from "../servers.ts";
import { lookAtContent } from "../snapshot.ts";
import type { ResourceType } from "../../../../provider/from-schema.ts";
import { waitFor } from "../../../../provider/kit/wait.ts";
import { passedChecks, promotionInputs, type Proof } from "../../../../provider/kit/proof.ts";

export interface StepInputs {
  region: string;
  /** The server's id. */
  server: string;
}

/** A step that acts on a server. */
function step(
  token: string,
  act: (region: Region, server: string) => Promise<void>,
): ResourceType<StepInputs, StepInputs> {
  return {
    token,
    inputs: {
      type: "object",
      properties: { region: { type: "string" }, server: { type: "string" } },
      required: ["region", "server"],
    },
    replaceOn: ["region", "server"],
    async create(inputs, context) {
      await act(new Region(inputs.region, context), inputs.server);
      return { id: inputs.server, outputs: inputs };
    },
  };
}

/** `ci-images:rackspace:SealMark`: records on the server that sealing begins; see {@link markSealing}. */
export const sealMark = step("ci-images:rackspace:SealMark", async (region, server) => {
  await existingServer(region, server);
  await markSealing(region, server, "begun");
});

/** `ci-images:rackspace:Stop`: shuts the sealed server down through the API and waits for that. */
export const stop = step("ci-images:rackspace:Stop", async (region, server) => {
  await stopServer(region, server);
  await markSealing(region, server, "done");
});

/**
 * `ci-images:rackspace:Retirement`: deletes the server in the same `pulumi up` that made it, and waits until it is
 * gone.
 */
export const retirement = step("ci-images:rackspace:Retirement", endServer);

export interface ImageLookInputs {
  region: string;
  /** The image's id. */
  image: string;
}

/** `ci-images:rackspace:ImageLook`: checks the image again once its server is gone. */
export const imageLook: ResourceType<ImageLookInputs, ImageLookInputs> = {
  token: "ci-images:rackspace:ImageLook",
  inputs: {
    type: "object",
    properties: { region: { type: "string" }, image: { type: "string" } },
    required: ["region", "image"],
  },
  replaceOn: ["region", "image"],
  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    await waitFor(
      {
        what: `image ${inputs.image}`,
        until: "to be whole after its server was ended",
        deadline: 60,
        lookAt: region.command(`image show ${inputs.image}`),
        look: async () => {
          const image = await findImage(region, inputs.image);
          if (!image) return { failed: "it went with its server", cure: "`pulumi up` bakes it again" };
          if (!isComplete(image)) return { failed: `it is ${image.status}`, cure: "`pulumi up` bakes it again" };
          return lookAtContent(region, image);
        },
      },
      context,
    );
    return { id: inputs.image, outputs: inputs };
  },
};

export interface PromotionInputs extends Proof {
  region: string;
  /** The image's id. */
  image: string;
}

/** `ci-images:rackspace:Promotion`: marks a verified image as proven; only proven images appear in outputs. */
export const promotion: ResourceType<PromotionInputs, PromotionInputs> = {
  token: "ci-images:rackspace:Promotion",
  inputs: promotionInputs("region", "image"),
  replaceOn: ["region", "image"],
  async create(inputs, context) {
    const region = new Region(inputs.region, context);
    const image = await promotable(region, inputs.image);
    const checks = passedChecks(inputs.report).length;
    const proof = proofProperty(image, { verifiedAt: new Date().toISOString(), how: inputs.how, checks });
    // A proven image is never a leftover, and no lease may delete it; nor must snapshots of workers booted from it look
    // like leftovers.
    const temporary = ["expires", "machine"].map((label) => [labelKey(openstackLabels, label), undefined]);
    await setProperties(region, image, { ...proof, ...(Object.fromEntries(temporary) as Record<string, undefined>) });
    return { id: inputs.image, outputs: inputs };
  },
};

async function promotable(region: Region, id: string) {
  const image = await findImage(region, id);
  if (image && isComplete(image)) return image;
  throw new UserError({
    where: `image ${id} in ${region.name}`,
    found: image ? `is ${image.status}` : "is gone",
    cure: "run `pulumi up` again: it bakes the image from its recipe",
  });
}
