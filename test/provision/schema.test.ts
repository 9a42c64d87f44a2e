// The schema for editors matches the modules and accepts the project's own recipes.
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

describe("the recipe schema", () => {
  it("is the one that `npm run schema` writes", async () => {
    assert.deepEqual(stored(), JSON.parse(JSON.stringify(editorSchema(await library()))), "run `npm run schema`");
  });

  it("has a description and a unique key for every module", async () => {
    const modules = await library();
    const keys = modules.map(settingsKeyOf);
    assert.equal(
      new Set([...keys, ...Object.keys(recipeProperties)]).size,
      keys.length + Object.keys(recipeProperties).length,
    );
    for (const { name, file } of modules) assert.match(file.description, /^[A-Z].{10,}/, name);
  });

  it("accepts every module's examples", async () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    for (const { name, file } of await library()) {
      const { examples = [] } = (file.settings ?? {}) as { examples?: unknown[] };
      for (const example of examples)
        assert(ajv.validate(file.settings ?? {}, example), `${name}: ${ajv.errorsText()}`);
    }
  });

  for (const file of recipes) {
    it(`accepts ${file}, which names the schema in its first line and can be loaded`, async () => {
      const path = place(`recipes/${file}`);
      assert.match(readFileSync(path, "utf8"), /^# yaml-language-server: \$schema=\.\.\/recipe\.schema\.json\n/);
      const ajv = new Ajv({ strict: false, allErrors: true });
      assert(ajv.validate(stored(), readYaml(path)), ajv.errorsText());
      await loadRecipe(path);
    });
  }
});
