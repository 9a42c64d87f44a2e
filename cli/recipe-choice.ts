// `--recipe NAME`: which of a stack's worker images a verb is about.
import { UserError } from "../common/user-error.ts";
import { nearest } from "../common/nearest.ts";
import type { ExportedState } from "./exported-state.ts";

/** The option, for the verbs that take it. */
export const recipeOption = {
  flags: "--recipe <name>",
  what: "of a stack with several recipes: the one with this name",
} as const;

/**
 * Tells of a worker image whether it is of the recipe that is meant.
 * @param recipe The option's value; undefined means every recipe.
 * @throws UserError when the stack has nothing of a recipe of that name.
 */
export function chosenRecipe(state: ExportedState, recipe: unknown, stack: string): (worker: string) => boolean {
  if (typeof recipe !== "string") return () => true;
  const { recipeOf } = state;
  const names = [...new Set(Object.values(recipeOf))].sort();
  if (names.includes(recipe)) return (worker) => recipeOf[worker] === recipe;
  const near = nearest(recipe, names);
  throw new UserError({
    where: "--recipe",
    found: `stack ${stack} has nothing of a recipe ${recipe}`,
    allowed: names.join(", ") || "none: nothing is baked yet",
    cure: near && `did you mean ${near}?`,
  });
}
