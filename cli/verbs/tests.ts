// `tests`: runs the acceptance tests on the builder.
import { goTo, reportBuilders } from "../bake.ts";
import { chosenRecipe, recipeOption } from "../recipe-choice.ts";
import { workerOfName } from "../exported-state.ts";
import type { Verb } from "../verb.ts";

export const tests: Verb = {
  name: "tests",
  aliases: ["test"],
  summary: "runs the acceptance tests on the builder, with one line per check; exit status 1 if one fails",
  details: `Sets the stack's stage to tested, so \`pulumi up\` does the same. Tests that have passed are run again.`,
  options: [recipeOption],
  examples: ["tests", "tests --recipe docker"],
  async run({ session, options, output }) {
    const stack = await session.stack(options);
    const outcome = await goTo(stack, "tested", "testing", output, (state) => {
      const isMeant = chosenRecipe(state, options.recipe, stack.name);
      return state.tests.filter((urn) => isMeant(workerOfName(urn)!.worker));
    });
    await reportBuilders(stack, outcome, "./ci-images create-image", output);
  },
};
