// What the verbs of a bake share: they set the stack's stage and run `pulumi up`.
import type { Output } from "./output.ts";
import { catchUp } from "./silent-builders.ts";
import type { CommandStack, Outcome } from "./stack.ts";
import type { ExportedState } from "./exported-state.ts";

/**
 * Sets the last stage of the bake, and whether the builder runs. `image` and `on` are the defaults, so they are not
 * written.
 */
export function setStage(stack: CommandStack, stage: string, power: "on" | "off" = "on"): void {
  stack.settings.set({
    stage: stage === "image" ? undefined : stage,
    power: power === "on" ? undefined : power,
  });
}

/**
 * Sets the stage and runs `pulumi up`. Builders that were stopped elsewhere are started again.
 * @param title Names the whole task in the progress output.
 * @param remake Returns URNs of resources to replace even if nothing changed. If it throws, nothing is set.
 */
export async function goTo(
  stack: CommandStack,
  stage: string,
  title: string,
  output: Output,
  remake: (state: ExportedState) => string[] = () => [],
): Promise<Outcome> {
  const state = await stack.state();
  const remade = remake(state);
  setStage(stack, stage);
  await stack.forgetInterrupted(state);
  return await stack.up(title, { replace: [...(await catchUp(stack, state, output)), ...remade] });
}

/** Runs the whole bake, then a second `up` that drops the records of the retired builder. */
export async function bakeImage(stack: CommandStack, title: string, output: Output): Promise<void> {
  const { took } = await goTo(stack, "image", title, output);
  let state = await stack.state();
  if (hasBakeRecords(state)) {
    await stack.up("dropping the builder's records", { preview: false });
    state = await stack.state();
  }
  for (const line of describeImages(state)) output.result(line);
  output.note(`done in ${took.toFixed(1)} s`);
}

/** Whether the state still has records of a builder. The next `up` drops them. */
export function hasBakeRecords(state: ExportedState): boolean {
  return state.resources.some(({ type }) =>
    /^(ci-images:index:Login|command:remote:Command|ci-images:\w+:Promotion)$/.test(type),
  );
}

/** The stack's proven images, one line each. */
export function describeImages(state: ExportedState): string[] {
  return state.images.map(({ place, image }) => {
    const where = image.disk ?? image.id ?? image.path ?? "";
    return `${place.join(" ")}  ${where}  recipe ${image.recipe.slice(0, 8)}  built ${image.builtAt}`;
  });
}

/** The builders and the next command for them, one line each. */
export function describeBuilders(state: ExportedState, next: string): string[] {
  return state.logins.map(({ worker, user, host, port, power }) => {
    const address = power === "off" ? "powered off" : `${user}@${host} port ${port}`;
    return `${worker}  ${address}  next: ${next}`;
  });
}

/** Prints the builders and how to continue with them, at the end of a verb. */
export async function reportBuilders(stack: CommandStack, { took }: Outcome, next: string, output: Output) {
  for (const line of describeBuilders(await stack.state(), next)) output.result(line);
  output.note(`done in ${took.toFixed(1)} s`);
}
