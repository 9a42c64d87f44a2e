// The reference documentation matches the code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { clouds } from "../../components/clouds.ts";
import { settingNames } from "../../components/stack-settings.ts";
import { distributions } from "../../provision/distributions.ts";
import { formats, recipeProperties, type Schema } from "../../provision/recipe/schema.ts";
import { documentFile } from "../../scripts/write-document.ts";
import { moduleDocs } from "../../scripts/write-module-docs.ts";
import { sealingDocs } from "../../scripts/write-sealing-docs.ts";

const stored = (name: string) => readFileSync(documentFile(name), "utf8");

/** Fails if a document lacks one of these names, written as code. */
function mentions(document: string, names: readonly string[]): void {
  const text = stored(document);
  const missing = names.filter((name) => !text.includes(`\`${name}\``));
  assert.deepEqual(missing, [], `docs/${document}.md must describe these`);
}

describe("the reference documentation", () => {
  it("has the docs/modules.md that `npm run docs` writes", async () => {
    assert.equal(stored("modules"), await moduleDocs(), "run `npm run docs`");
  });

  it("has the docs/sealing.md that `npm run docs` writes", async () => {
    assert.equal(stored("sealing"), await sealingDocs(), "run `npm run docs`");
  });

  it("describes every stack setting in docs/settings.md", () => {
    mentions(
      "settings",
      settingNames().map((name) => `ci-images:${name}`),
    );
  });

  for (const { name, page, settings } of clouds) {
    if (!settings) continue;
    it(`describes every setting of stack ${name} in docs/${page}.md`, () =>
      mentions(page, Object.keys(settings.properties)));
  }

  it("describes all keys of recipes, bases and tests, all formats and all distributions in docs/recipes.md", () => {
    const base = Object.keys(recipeProperties.base.properties as object);
    const test = Object.keys((recipeProperties.tests.items as Schema).properties as object);
    mentions("recipes", [...Object.keys(recipeProperties), ...base, ...test, ...formats]);
    mentions(
      "recipes",
      distributions.map(({ id }) => id),
    );
  });
});
