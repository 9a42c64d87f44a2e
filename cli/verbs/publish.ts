// `publish`: imports an image from this computer into a cloud, like the old tools' `upload-img`.
import { resolve } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { cloudNames, clouds } from "../../components/clouds.ts";
import { bakeImage } from "../bake.ts";
import { distributionIds, othersThan } from "../worker-choice.ts";
import { UsageError, type Verb } from "../verb.ts";

export const publish: Verb = {
  name: "publish",
  aliases: ["upload-img", "upload_img"],
  summary:
    "imports a finished image from this computer into a cloud, verifies it there, and keeps it in that cloud's stack",
  details: `IMAGE is the folder of an image that \`local\` has baked and verified. It becomes the stack's setting \`image\`, so
\`pulumi up\` does the same, and \`destroy\` removes the imported image. Remove the setting to bake the stack's recipe again.`,
  operands: [{ name: "<image>", what: "the image's folder: images/debian12/NAME-RECIPE" }],
  examples: ["publish images/debian12/worker-1a2b3c4d5e6f --cloud openstack"],
  async run({ session, operands: [image], options, output }) {
    if (image === undefined) throw new UsageError("publish: name the folder of an image");
    const path = resolve(image);
    const { describeImage } = await import("../../components/local/provider/functions/lookups.ts");
    // Reports problems with the image before anything is set.
    const { manifest } = await describeImage.call(
      { path },
      { progress: (line) => output.note(line), signal: session.interrupted },
    );
    const { distribution } = manifest;
    if (options.distribution && !distributionIds(options.distribution).includes(distribution)) {
      throw new UserError({ where: "--distribution", found: options.distribution.join(", "), allowed: distribution });
    }
    const stack = await session.stack({ stack: options.stack, cloud: options.cloud, region: options.region });
    const { name: cloud, isHere } = stack.facts;
    if (isHere) {
      throw new UserError({
        where: `stack ${stack.name}`,
        found: `a stack of \`${cloud}\`, where the image already is`,
        cure: `choose a cloud with --cloud: ${cloudNames(clouds.filter((each) => !each.isHere))}`,
      });
    }
    if (stack.settings.get("recipes") !== undefined) {
      throw new UserError({
        where: stack.settings.path,
        key: `${stack.project}:recipes`,
        found: `the stack ${stack.name} bakes these recipes, so it can't take an image`,
        cure: `use another stack: --cloud ${cloud} --stack NAME`,
      });
    }
    const lost = othersThan([distribution], await stack.state());
    if (lost.length > 0) {
      throw new UserError({
        where: `stack ${stack.name}`,
        found: `it has ${lost.join(", ")}, which would be deleted: with an image of ${distribution}, the stack has only that`,
        cure: `use another stack: --cloud ${cloud} --stack NAME`,
      });
    }
    stack.settings.set({ image: path });
    await bakeImage(stack, `publishing ${manifest.name} (recipe ${manifest.recipe.slice(0, 8)}) in ${cloud}`, output);
  },
};
