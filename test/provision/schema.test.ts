// The schema for editors is the one that the modules make, and it accepts the recipes that come with the project.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { libraryFolder, ModuleCatalogue } from "../../provision/recipe/load-modules.ts";
import { readYaml } from "../../provision/recipe/read-yaml.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { editorSchema, recipeProperties, settingsKeyOf } from "../../provision/recipe/schema.ts";
import { fileURLToPath } from "node:url";

const place = (path: string) => fileURLToPath(new URL(`../../provision/${path}`, import.meta.url));
const stored = () => JSON.parse(readFileSync(place("recipe.schema.json"), "utf8")) as object;
const recipes = readdirSync(place("recipes")).filter((file) => file.endsWith(".yaml"));

async function library() {
  const catalogue = new ModuleCatalogue([libraryFolder]);
  return Promise.all(catalogue.names.map(async (name) => ({ name, file: await catalogue.load(name) })));
}

describe("recipe schema", () => {
  it("provision/recipe.schema.json is what `npm run schema` writes now", async () => {
    assert.deepEqual(stored(), JSON.parse(JSON.stringify(editorSchema(await library()))), "run `npm run schema`");
  });

  it("every module says what it does, and no two read the same key or one of the recipe's own", async () => {
    const modules = await library();
    const keys = modules.map(settingsKeyOf);
    assert.equal(
      new Set([...keys, ...Object.keys(recipeProperties)]).size,
      keys.length + Object.keys(recipeProperties).length,
    );
    for (const { name, file } of modules) assert.match(file.description, /^[A-Z].{10,}/, name);
  });

  it("a module's examples and defaults pass its own schema", async () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    for (const { name, file } of await library()) {
      const { examples = [] } = (file.settings ?? {}) as { examples?: unknown[] };
      for (const example of examples)
        assert(ajv.validate(file.settings ?? {}, example), `${name}: ${ajv.errorsText()}`);
    }
  });

  for (const file of recipes) {
    it(`${file} names the schema in its first line, passes it, and loads`, async () => {
      const path = place(`recipes/${file}`);
      assert.match(readFileSync(path, "utf8"), /^# yaml-language-server: \$schema=\.\.\/recipe\.schema\.json\n/);
      const ajv = new Ajv({ strict: false, allErrors: true });
      assert(ajv.validate(stored(), readYaml(path)), ajv.errorsText());
      await loadRecipe(path);
    });
  }
});
