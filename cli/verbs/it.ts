// `it`: the full bake.
import { bakeImage } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const it: Verb = {
  name: "it",
  summary: "the full bake: builder, modules, tests, image, verification; then the builder's records are dropped",
  details: `The stack's stage becomes image, its default, so \`pulumi up\` does the same. Nothing is baked when the image of the
recipe is there already.`,
  examples: ["it --cloud ec2 --distribution centos7", "it:cloud=ec2,distribution=centos7", "it"],
  async run({ session, options, output }) {
    await bakeImage(await session.stack(options), "baking", output);
  },
};
