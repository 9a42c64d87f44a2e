// `down`: powers the builder off.
import { UserError } from "../../common/user-error.ts";
import { catchUp } from "../silent-builders.ts";
import { refuseChoice } from "../worker-choice.ts";
import type { Verb } from "../verb.ts";

export const down: Verb = {
  name: "down",
  summary: "powers the builder off and keeps it; `up` starts it again",
  details: `Sets the stack's power to off, so \`pulumi up\` does the same. The builder's deadline (maxLifetime) stays the same.`,
  examples: ["down"],
  async run({ session, options, output }) {
    const stack = await session.stack({ ...options, keepSettings: true });
    const state = await stack.state();
    // After a bake by plain `pulumi up`, there may be records of builders that are gone.
    const workers = state.openBuilders.map(({ worker }) => worker);
    if (workers.length === 0) {
      throw new UserError({
        where: `stack ${stack.name}`,
        found: "no builder",
        cure: "./ci-images up makes one",
      });
    }
    refuseChoice("down", options.distribution, state, workers);
    await stack.forgetInterrupted(state);
    // Some clouds refuse to power off a builder that is off already.
    await catchUp(stack, state, output);
    const before = stack.settings.get("power");
    stack.settings.set({ power: "off" });
    try {
      const { took } = await stack.up("powering off", { preview: false });
      for (const worker of workers) output.result(`${worker}  powered off  next: ./ci-images up`);
      output.note(`done in ${took.toFixed(1)} s`);
    } catch (error) {
      // Otherwise the setting would make the next `pulumi up` fail, too.
      stack.settings.set({ power: before });
      throw error;
    }
  },
};
