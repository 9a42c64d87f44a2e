// `--recipe NAME`: limits a verb to the worker images of one recipe.
import { UserError } from "../common/user-error.ts";
import { nearest } from "../common/nearest.ts";
import type { ExportedState } from "./exported-state.ts";

/** The option, for the verbs that take it. */
export const recipeOption = {
  flags: "--recipe <name>",
  what: "only this recipe, if the stack has several",
} as const;

/**
 * Reads the option.
 * @param recipe The option's value; undefined chooses every recipe.
 * @returns whether a worker image, given by name, belongs to the chosen recipe.
 * @throws UserError when the stack has nothing from that recipe.
 */
export function chosenRecipe(state: ExportedState, recipe: unknown, stack: string): (worker: string) => boolean {
  if (typeof recipe !== "string") return () => true;
  const { recipeOf } = state;
  const names = [...new Set(Object.values(recipeOf))].sort();
  if (names.includes(recipe)) return (worker) => recipeOf[worker] === recipe;
  if (state.namesNoRecipes) {
    throw new UserError({
      where: "--recipe",
      found: `the state of stack ${stack} doesn't name recipes yet`,
      cure: `run \`npx pulumi up -s ${stack}\` once, or leave out --recipe`,
    });
  }
  const near = nearest(recipe, names);
  throw new UserError({
    where: "--recipe",
    found: `stack ${stack} has no recipe ${recipe}`,
    allowed: names.join(", ") || "none: nothing is baked yet",
    cure: near && `did you mean ${near}?`,
  });
}
