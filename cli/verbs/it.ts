// `it`: runs the full bake.
import { bakeImage } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const it: Verb = {
  name: "it",
  summary: "does the whole bake: builder, modules, tests, image, verification; then drops the builder's records",
  details: `The stack's stage becomes image, its default, so \`pulumi up\` does the same. Nothing is baked if the recipe's image
already exists.`,
  examples: ["it --cloud ec2 --distribution centos7", "it:cloud=ec2,distribution=centos7", "it"],
  async run({ session, options, output }) {
    await bakeImage(await session.stack(options), "baking", output);
  },
};
