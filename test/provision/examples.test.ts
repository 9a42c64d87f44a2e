// The examples of module settings in the documentation and in `ci-images modules`.
import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { wholeExamples } from "../../provision/recipe/describe-settings.ts";
import { libraryFolder, ModuleCatalogue } from "../../provision/recipe/load-modules.ts";
import type { Schema } from "../../provision/recipe/schema.ts";

describe("the examples of a module's settings", () => {
  it("exist for every module with settings, and are valid settings", async () => {
    const catalogue = new ModuleCatalogue([libraryFolder]);
    for (const name of catalogue.names) {
      const { settings } = await catalogue.load(name);
      if (!settings) continue;
      const examples = wholeExamples(settings as Schema);
      assert.ok(examples.length > 0, `${name} has no example`);
      const validate = new Ajv({ strict: false }).compile(settings);
      for (const example of examples) assert.ok(validate(example), `${name}: ${JSON.stringify(validate.errors)}`);
    }
  });
});
