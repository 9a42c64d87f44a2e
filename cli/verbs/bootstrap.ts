// `bootstrap`: runs the recipe's modules on the builder.
import { goTo, reportBuilders } from "../bake.ts";
import type { Verb } from "../verb.ts";

export const bootstrap: Verb = {
  name: "bootstrap",
  summary: "runs the modules on the builder; creates or starts it first if needed",
  details: `Sets the stack's stage to provisioned, so \`pulumi up\` does the same. Modules that have run are skipped: after a
failure it continues at the module that failed.`,
  examples: ["bootstrap", "bootstrap --verbose"],
  async run({ session, options, output }) {
    const stack = await session.stack(options);
    await reportBuilders(
      stack,
      await goTo(stack, "provisioned", "running the modules", output),
      "./ci-images tests",
      output,
    );
  },
};
