// Steps of the life cycle that act once on a server or an image. Nothing to delete: their records are dropped with the
// builder's by the `pulumi up` after the bake.
import { labelKey } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { UserError } from "../../../../common/user-error.ts";
import { findImage, isComplete, proofProperty, setProperties } from "../images.ts";
import { Region } from "../region.ts";
import { endServer, existingServer, markSealing, stopServer } from "../servers.ts";
import { lookAtContent } from "../snapshot.ts";
import { ImageLook, Promotion, Retirement, SealMark, Stop } from "../../contract.ts";
import { step } from "../../../../provider/kit/steps.ts";
import { waitFor } from "../../../../provider/kit/wait.ts";
import { passedChecks } from "../../../../provider/kit/proof.ts";

const serverOf = ({ server }: { server: string }) => server;
const imageOf = ({ image }: { image: string }) => image;

export const sealMark = step(SealMark, serverOf, async ({ region: name, server }, context) => {
  const region = new Region(name, context);
  await existingServer(region, server);
  await markSealing(region, server, "begun");
});

export const stop = step(Stop, serverOf, async ({ region: name, server }, context) => {
  const region = new Region(name, context);
  await stopServer(region, server);
  await markSealing(region, server, "done");
});

export const retirement = step(Retirement, serverOf, ({ region, server }, context) =>
  endServer(new Region(region, context), server),
);

export const imageLook = step(ImageLook, imageOf, async ({ region: name, image: id }, context) => {
  const region = new Region(name, context);
  await waitFor(
    {
      what: `image ${id}`,
      until: "to be complete after its server was deleted",
      deadline: 60,
      lookAt: region.command(`image show ${id}`),
      look: async () => {
        const image = await findImage(region, id);
        if (!image) return { failed: "it was deleted with its server", cure: "`pulumi up` bakes it again" };
        if (!isComplete(image)) return { failed: `it is ${image.status}`, cure: "`pulumi up` bakes it again" };
        return lookAtContent(region, image);
      },
    },
    context,
  );
});

export const promotion = step(Promotion, imageOf, async ({ region: name, image: id, how, report }, context) => {
  const region = new Region(name, context);
  const image = await promotable(region, id);
  const checks = passedChecks(report).length;
  const proof = proofProperty(image, { verifiedAt: new Date().toISOString(), how, checks });
  // A proven image is never a leftover, and no lease may delete it. Snapshots of workers booted from it inherit these
  // properties and must not look like leftovers either.
  const temporary = ["expires", "machine"].map((label) => [labelKey(openstackLabels, label), undefined]);
  await setProperties(region, image, { ...proof, ...(Object.fromEntries(temporary) as Record<string, undefined>) });
});

async function promotable(region: Region, id: string) {
  const image = await findImage(region, id);
  if (image && isComplete(image)) return image;
  throw new UserError({
    where: `image ${id} in ${region.name}`,
    found: image ? `is ${image.status}` : "is gone",
    cure: "run `pulumi up` again: it bakes the image from its recipe",
  });
}
