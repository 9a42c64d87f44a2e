// `it`: runs the full bake.
import { bakeImage } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const it: Verb = {
  name: "it",
  summary: "runs the whole bake: builder, modules, tests, image, verification; then drops the builder's records",
  details: `Sets the stack's stage to image, the default, so \`pulumi up\` does the same. Bakes nothing if the recipe's image
already exists.`,
  examples: ["it --cloud ec2 --distribution centos7", "it:cloud=ec2,distribution=centos7", "it"],
  async run({ session, options, output }) {
    await bakeImage(await session.stack(options), "baking", output);
  },
};
