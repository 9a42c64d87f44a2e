// `create-image`: turns the builder into a verified image.
import { bakeImage } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const createImage: Verb = {
  name: "create-image",
  aliases: ["create_image"],
  summary: "seals the builder, makes the image, verifies it, and drops the builder",
  details: `Sets the stack's stage to image, the default, so \`pulumi up\` does the same. Runs modules and tests first if they
have not run yet.`,
  examples: ["create-image", "create_image"],
  async run({ session, options, output }) {
    await bakeImage(await session.stack(options), "making the image", output);
  },
};
