// Reads and checks a recipe. Reports all complaints about it together.
import { dirname, join, resolve } from "node:path";
import { checkRecipe } from "./check-recipe.ts";
import { libraryFolder, ModuleCatalogue } from "./load-modules.ts";
import { readYaml } from "./read-yaml.ts";
import type { Recipe } from "./recipe.ts";

/** Options of {@link loadRecipe}. */
export interface LoadOptions {
  /** More folders with modules, after the recipe's own `modules/` and before the library. */
  moduleFolders?: readonly string[];
  /** Keys that override the recipe's own, e.g. `{ size: "8G" }` from a stack setting or the command line. */
  overrides?: Readonly<Record<string, unknown>>;
}

/**
 * Reads and checks a recipe.
 * @param file Path of the YAML file.
 * @throws UserError with every complaint about it: file, key, found value, allowed values, nearest name.
 */
export async function loadRecipe(file: string, options: LoadOptions = {}): Promise<Recipe> {
  const folder = dirname(resolve(file));
  const catalogue = new ModuleCatalogue([join(folder, "modules"), ...(options.moduleFolders ?? []), libraryFolder]);
  return checkRecipe(file, { ...readYaml(file), ...options.overrides }, catalogue);
}
