// `tests`: runs the acceptance tests on the builder.
import { goTo, reportBuilders } from "../bake.ts";
import { recipeOption } from "../recipe-choice.ts";
import { chosenWorkers, distributionIds } from "../worker-choice.ts";
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
    const { distribution, ...place } = options;
    const stack = await session.stack(place);
    // Among the builders there are, it is a choice; without them, what to bake.
    const names = distribution && distributionIds(distribution);
    if (names) {
      const state = await stack.state();
      const there = state.present.map((worker) => state.distributionOf(worker));
      if (!names.every((id) => there.includes(id))) await stack.place({ distribution });
    }
    const outcome = await goTo(stack, "tested", "testing", output, (state) => {
      const isMeant = chosenWorkers(state, options, stack.name, true);
      return state.tests.filter((urn) => isMeant(workerOfName(urn)!.worker));
    });
    await reportBuilders(stack, outcome, "./ci-images create-image", output);
  },
};
