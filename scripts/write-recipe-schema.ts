// `npm run schema`: writes provision/recipe.schema.json from the modules' schemas. Editors use it to complete and check
// recipes.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { libraryFolder, ModuleCatalogue } from "../provision/recipe/load-modules.ts";
import { editorSchema } from "../provision/recipe/schema.ts";

const catalogue = new ModuleCatalogue([libraryFolder]);
const modules = await Promise.all(catalogue.names.map(async (name) => ({ name, file: await catalogue.load(name) })));
const file = fileURLToPath(new URL("../provision/recipe.schema.json", import.meta.url));
await writeFile(file, await format(JSON.stringify(editorSchema(modules)), { parser: "json", printWidth: 120 }));
console.log(`provision/recipe.schema.json: ${modules.length} modules`);
