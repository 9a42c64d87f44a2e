// `destroy`: drops the builder, or everything in the stack.
import { UserError } from "../../common/user-error.ts";
import { ask } from "../ask.ts";
import { describeImages, setStage } from "../bake.ts";
import { refuseChoice } from "../worker-choice.ts";
import type { Verb } from "../verb.ts";

export const destroy: Verb = {
  name: "destroy",
  summary: "drops the builder; with --images also the images, after asking",
  details: `Without --images it sets the stack's stage to none: \`pulumi up\` then keeps the images and makes no builder, until
another verb sets the stage. With --images it does the same as \`pulumi destroy\`.`,
  options: [
    { flags: "--images", what: "delete everything in the stack: the builder and all generations of images" },
    { flags: "--yes", what: "don't ask" },
  ],
  examples: ["destroy", "destroy --images", "destroy --images --yes"],
  async run({ session, options, output }) {
    const stack = await session.stack({ ...options, keepSettings: true });
    const state = await stack.state();
    const builders = state.openBuilders.map(({ worker }) => worker);
    refuseChoice("destroy", options.distribution, state, options.images ? state.present : builders);
    if (!options.images) {
      setStage(stack, "none");
      await stack.forgetInterrupted(state);
      const { took } = await stack.up("dropping the builder", { preview: false });
      for (const line of describeImages(await stack.state())) output.result(`kept: ${line}`);
      output.note(`done in ${took.toFixed(1)} s`);
      return;
    }
    for (const line of describeImages(state)) output.note(`will be deleted: ${line}`);
    if (!options.yes && !(await confirmed(stack.name))) {
      output.note("nothing was destroyed");
      return 1;
    }
    await stack.forgetInterrupted(state);
    const { took } = await stack.destroy("destroying");
    setStage(stack, "image");
    output.note(`done in ${took.toFixed(1)} s`);
  },
};

/** Asks for the stack's name as confirmation. */
async function confirmed(stack: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError({ where: "destroy --images", found: "no terminal to ask on", cure: "pass --yes" });
  }
  return (await ask(`Type the stack's name (${stack}) to destroy it with all its images: `)) === stack;
}
