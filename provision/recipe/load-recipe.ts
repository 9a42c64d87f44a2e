// Reads and checks a recipe. Reports all complaints about it together.
import { dirname, join, resolve } from "node:path";
import { UserError, type Complaint } from "../../common/user-error.ts";
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
  /** Where an override comes from, for messages; by default, messages name the recipe's file. */
  overriddenBy?: (key: string) => Pick<Complaint, "where" | "key">;
}

/**
 * Reads and checks a recipe.
 * @param file Path of the YAML file.
 * @throws UserError with every complaint about it: file, key, found value, allowed values, nearest name.
 */
export async function loadRecipe(file: string, options: LoadOptions = {}): Promise<Recipe> {
  const folder = dirname(resolve(file));
  const catalogue = new ModuleCatalogue([join(folder, "modules"), ...(options.moduleFolders ?? []), libraryFolder]);
  const { overrides = {}, overriddenBy } = options;
  const read = { ...readYaml(file), ...overrides };
  if (!overriddenBy) return checkRecipe(file, read, catalogue);
  return checkRecipe(file, read, catalogue).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(...error.complaints.map((each) => fromOverride(each, file, overrides, overriddenBy)));
  });
}

/** The complaint, with the place of the override that it is about. */
function fromOverride(
  complaint: Complaint,
  file: string,
  overrides: Readonly<Record<string, unknown>>,
  overriddenBy: NonNullable<LoadOptions["overriddenBy"]>,
): Complaint {
  const [, name = "", rest = ""] = /^(\w+)(.*)$/s.exec(complaint.key ?? "") ?? [];
  if (complaint.where !== file || !Object.hasOwn(overrides, name)) return complaint;
  const { where, key = "" } = overriddenBy(name);
  return { ...complaint, where, key: `${key}${rest}` || undefined };
}
