// Which worker images a verb acts on. `--distribution NAMES` is what the stack bakes; for the verbs that don't bake it
// is, like `--recipe NAME`, a choice among what the stack has.
import { UserError } from "../common/user-error.ts";
import { findDistribution } from "../provision/distributions.ts";
import type { ExportedState } from "./exported-state.ts";
import { chosenRecipe } from "./recipe-choice.ts";

/**
 * The ids of distributions.
 * @param names Ids or other spellings of them.
 * @throws UserError for an unknown one.
 */
export function distributionIds(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => findDistribution(name, "--distribution").id))];
}

/**
 * Reads `--distribution` and `--recipe` of a verb that acts on what the stack has.
 * @param bakes True if the verb bakes distributions that the stack doesn't have yet.
 * @returns whether a worker image, given by name, is chosen.
 * @throws UserError if the stack has nothing from that recipe or of these distributions, or one is unknown.
 */
export function chosenWorkers(
  state: ExportedState,
  { distribution, recipe }: { distribution?: readonly string[]; recipe?: unknown },
  stack: string,
  bakes = false,
): (worker: string) => boolean {
  const [isOfDistribution, isOfRecipe] = [chosenDistributions(state, distribution), chosenRecipe(state, recipe, stack)];
  if (distribution && !bakes && !state.present.some(isOfDistribution)) {
    throw new UserError({
      where: "--distribution",
      found: `${distribution.join(", ")}, of which the stack ${stack} has nothing`,
      allowed: othersThan([], state).join(", ") || "none: nothing is baked yet",
    });
  }
  return (worker) => isOfDistribution(worker) && isOfRecipe(worker);
}

/**
 * Reads `--distribution` alone.
 * @param names The option's value; undefined chooses every distribution.
 * @returns whether a worker image, given by name, is of a chosen distribution.
 */
function chosenDistributions(state: ExportedState, names: readonly string[] | undefined): (worker: string) => boolean {
  if (!names) return () => true;
  const ids = distributionIds(names);
  return (worker) => ids.includes(state.distributionOf(worker) ?? "");
}

/**
 * The distributions of these worker images that are not named.
 * @param workers By default all that have images or a builder.
 */
export function othersThan(names: readonly string[], state: ExportedState, workers = state.present): string[] {
  const isNamed = chosenDistributions(state, names);
  const others = workers.filter((worker) => !isNamed(worker));
  return [...new Set(others.map((worker) => state.distributionOf(worker) ?? worker))];
}

/**
 * For verbs that can't choose: refuses the option if they would act on more.
 * @param workers The worker images that the verb acts on; by default all that have images or a builder.
 * @throws UserError
 */
export function refuseChoice(
  verb: string,
  names: readonly string[] | undefined,
  state: ExportedState,
  workers = state.present,
): void {
  const others = names ? othersThan(names, state, workers) : [];
  if (others.length === 0) return;
  throw new UserError({
    where: "--distribution",
    found: `${names!.join(", ")}, but ${verb} acts on the whole stack, also on ${others.join(", ")}`,
    cure: "leave it out",
  });
}
