// `{ secret: NAME }` in a recipe: valid wherever a text is, and read from its file only while the script runs.
import assert from "node:assert/strict";
import fc from "fast-check";
import { findDistribution } from "../../provision/distributions.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { asJson, secretText, withSecretTexts } from "../../provision/shell/secret-text.ts";
import { feed, quote } from "../../provision/shell/shell.ts";
import { inNamespace } from "./bash.ts";
import { TestFolders } from "./folder.ts";

const folders = new TestFolders();
const secrets = { TOKEN: "hunter2" };

async function plan(recipe: string): Promise<Plan> {
  const folder = folders.make({ "recipe.yaml": `name: test\ndistribution: debian12\n${recipe}` });
  return planRecipe(await loadRecipe(`${folder}/recipe.yaml`), findDistribution("debian12"), {
    sealVersion: "1",
    secrets,
  });
}

const scriptOf = ({ modules }: Plan) =>
  modules.flatMap(({ steps }) => steps.map((step) => JSON.stringify(step))).join();

describe("a secret in a recipe", () => {
  afterEach(() => folders.remove());

  it("becomes a text at any depth, and nothing else does", () => {
    assert.deepEqual(
      withSecretTexts({ a: [{ secret: "X" }], b: { secret: 1 }, c: { secret: "X", d: 1 }, e: "secret" }),
      {
        a: [secretText("X")],
        b: { secret: 1 },
        c: { secret: "X", d: 1 },
        e: "secret",
      },
    );
    assert.equal(asJson({ a: secretText("X") }), '{"a":{"secretFile":"/run/ci-images/secrets/X"}}');
  });

  it("arrives in the script byte by byte, as an argument and as a file's content", async () => {
    const word = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter((text) => !/\0/.test(text) && !text.endsWith("\n"));
    await fc.assert(
      fc.asyncProperty(word, word, async (before, value) => {
        const text = `${before}${secretText("X")}'after`;
        const place = `mkdir -p /run/ci-images/secrets\nprintf '%s' ${quote(value)} >/run/ci-images/secrets/X\n`;
        const { stdout } = await inNamespace(
          `${place}printf '%s' ${quote(text)} | base64 -w0; echo\nbase64 -w0 ${feed(text)}\n`,
        );
        const expected = Buffer.from(`${before}${value}'after`).toString("base64");
        assert.equal(stdout, `${expected}\n${expected}`);
      }),
      { numRuns: 25 },
    );
  });

  it("keeps its final line break in a file", async () => {
    const { stdout } = await inNamespace(
      `mkdir -p /run/ci-images/secrets\nprintf 'key\\n' >/run/ci-images/secrets/X\nod -An -c ${feed(secretText("X"))}\n`,
    );
    assert.match(String(stdout), /k +e +y +\\n/);
  });

  it("is recorded for the module that uses it and changes the hash, but its value is in no script", async () => {
    const recipe =
      "modules: [files]\nfiles:\n  - path: /root/.ssh/id_rsa\n    content: { secret: TOKEN }\n    keep_secret: true\n";
    const made = await plan(recipe);
    assert.deepEqual(made.modules[0]?.usesSecrets, ["TOKEN"]);
    assert.doesNotMatch(scriptOf(made), /hunter2|\uFDD0/u);
    assert.match(scriptOf(made), /kept-secrets/);
    secrets.TOKEN = "another";
    const other = await plan(recipe);
    secrets.TOKEN = "hunter2";
    assert.notEqual(made.recipeHash("base"), other.recipeHash("base"));
  });

  it("goes into the image only with keep_secret", async () => {
    const recipe = "modules: [files]\nfiles:\n  - { path: /etc/token, content: { secret: TOKEN } }\n";
    await assert.rejects(plan(recipe), /\/etc\/token.*keep_secret: true/);
  });

  it("is refused where a text is not allowed, and shown as written", async () => {
    await assert.rejects(plan("modules: [files]\nfiles: { secret: TOKEN }\n"), /files: .*\{ secret: TOKEN \}.*a list/);
    await assert.rejects(plan("modules: [run]\nrun: [{ secret: TOKEN }]\n"), /\{ secret: TOKEN \}/);
  });

  it("is a text for a shell module, and an object with the file's path in JSON settings", async () => {
    const folder = folders.make({
      "recipe.yaml":
        "name: test\ndistribution: debian12\nmodules: [own]\nown:\n  token: { secret: TOKEN }\n  deep: { a: { secret: TOKEN } }\n",
      "modules/own.sh": "# Shows its settings\ntrue\n",
    });
    const made = await planRecipe(await loadRecipe(`${folder}/recipe.yaml`), findDistribution("debian12"), {
      sealVersion: "1",
      secrets,
    });
    const script = made.modules[0].steps.map((step) => (step.kind === "script" ? step.script : "")).join("");
    assert.match(script, /export CFG_TOKEN="\$\(<\/run\/ci-images\/secrets\/TOKEN\)"/);
    assert.match(script, /export CFG_DEEP='\{"a":\{"secretFile":"\/run\/ci-images\/secrets\/TOKEN"\}\}'/);
  });
});
