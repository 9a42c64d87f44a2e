// What to do when a step on a machine fails. The machine's own wrapper (provision/commands.ts) says it when a script fails
// or runs out of time; when the connection is lost nobody there can, so the engine's error hook does.
import * as pulumi from "@pulumi/pulumi";

const hooks = new Map<string, pulumi.ErrorHook>();

/**
 * An error hook for one step's resources.
 * @param step The module's name, or the life cycle's step.
 */
export function explainFailure(step: string): pulumi.ErrorHook {
  let hook = hooks.get(step);
  if (!hook) {
    hook = new pulumi.ErrorHook(`ci-images-failure-${step}`, async ({ errors }) => {
      if (!errors.some((error) => error.includes("ci-images:"))) {
        await pulumi.log.error(
          `${step} did not end on the machine: the connection failed or was lost. ` +
            "`pulumi up` goes on at this step if the machine is still there, and starts on a fresh builder if it is not; " +
            "`pulumi destroy` removes everything.",
        );
      }
      // Never tries again by itself: that would hide what is wrong.
      return false;
    });
    hooks.set(step, hook);
  }
  return hook;
}
