// `up`: starts a builder.
import { goTo, reportBuilders } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const up: Verb = {
  name: "up",
  summary: "creates the builder, or starts it if it is powered off",
  details: `Sets the stack's stage to builder, so \`pulumi up\` does the same. A builder keeps the stages it has completed. An
edited recipe gets a new builder. A builder that was stopped elsewhere, such as in the cloud's console, is started again;
if it is gone, a new one is made.`,
  examples: [
    "up --cloud ec2 --region us-west-2 --distribution ubuntu24.04",
    "cloud:ec2 region:us-west-2 distribution:centos7 up",
    "up",
  ],
  async run({ session, options, output }) {
    const stack = await session.stack(options);
    await reportBuilders(
      stack,
      await goTo(stack, "builder", "starting the builder", output),
      "./ci-images bootstrap",
      output,
    );
  },
};
