// Planning: the plan that a recipe becomes, and what its hash depends on.
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { dump } from "js-yaml";
import { describePlan, explainChange, withoutDetails } from "../../provision/plan/explain.ts";
import { planRecipe, type Plan, type PlanOptions } from "../../provision/plan/plan.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { TestFolders } from "./folder.ts";

const folders = new TestFolders();
const options: PlanOptions = { sealVersion: "1" };

/** A module that prints its settings. */
const render = `export function modify(name, root, cfg) {
  root.run("echo '" + JSON.stringify(cfg[name]) + "'");
  root.check("fact of " + name, "true");
}`;
const modules = {
  "modules/one.mjs": render,
  "modules/two.mjs": render,
  "modules/dashed-name.mjs": render.replace(`"fact of " + name`, `"a fact"`),
  "modules/upload.mjs": `export function modify(name, root, cfg) { root.run("cat " + root.upload(cfg.upload)); }`,
  "modules/secret.mjs": `export function modify(name, root) { root.run("cat " + root.secret("TOKEN")); }`,
  "modules/throws.mjs": `export function modify() { throw new Error("not on a Sunday"); }`,
  "modules/reboots.mjs": `export function modify(name, root) { root.run("a"); root.file("/b", "b"); root.reboot(); root.packages({ apt: ["c"], dnf: ["d"] }); root.enable("e"); }`,
  "modules/script.sh": `#!/bin/bash\n# Says what it got.\n# secrets: TOKEN\necho "$CFG_WORD"\n`,
  "data/a.txt": "a",
  "data/sub/b.txt": "b",
};

async function plan(yaml: string, more: Record<string, string> = {}, planOptions = options): Promise<Plan> {
  const folder = folders.make({ ...modules, ...more, "worker.yaml": yaml });
  const recipe = await loadRecipe(join(folder, "worker.yaml"));
  const [distribution] = recipe.distributions;
  assert(distribution);
  return planRecipe(recipe, distribution, planOptions);
}

const hash = async (yaml: string, more: Record<string, string> = {}, planOptions = options) =>
  (await plan(yaml, more, planOptions)).recipeHash("base");

/** Reverses the order of keys at every depth. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

const withToken = { ...options, secrets: { TOKEN: "a" } };

const words = fc.string({ unit: fc.constantFrom(..."abcXYZ059 _-"), maxLength: 8 });
const settings = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,6}$/),
  fc.oneof(words, fc.integer(), fc.array(words), fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), words)),
  { minKeys: 1, maxKeys: 5 },
);

describe("plan", () => {
  afterEach(() => folders.remove());

  it("has a hash that ignores comments, the order of keys and the recipe's folder", async () => {
    await fc.assert(
      fc.asyncProperty(settings, settings, async (one, two) => {
        const recipe = { name: "w", modules: ["one", "two"], one, two, tests: [{ name: "t", run: "true" }] };
        const plain = await hash(dump(recipe));
        assert.equal(await hash(`# a comment\n${dump(reversed(recipe)).replaceAll("\n", " # more\n")}`), plain);
      }),
      { numRuns: 15 },
    );
  });

  it("has another hash after any change of a setting", async () => {
    await fc.assert(
      fc.asyncProperty(settings, settings, async (one, other) => {
        fc.pre(
          JSON.stringify(reversed(one)) !== JSON.stringify(reversed(other)) &&
            dump(one, { sortKeys: true }) !== dump(other, { sortKeys: true }),
        );
        const [a, b] = [
          await hash(dump({ modules: ["one"], one })),
          await hash(dump({ modules: ["one"], one: other })),
        ];
        assert.notEqual(a, b);
      }),
      { numRuns: 15 },
    );
  });

  it("has a hash that depends on modules and their order, size, formats, distribution, tests, base and seal", async () => {
    const plain = await plan("modules: [one, two]\n");
    const different = [
      await hash("modules: [two, one]\n"),
      await hash("modules: [one]\n"),
      await hash("modules: [one, two]\nsize: 8G\n"),
      await hash("modules: [one, two]\nformats: [raw]\n"),
      await hash("modules: [one, two]\ndistribution: debian13\n"),
      await hash("modules: [one, two]\ntests: [{name: a, run: 'true'}]\n"),
      await hash("modules: [one, two]\n", {}, { sealVersion: "2" }),
      plain.recipeHash("another base"),
      plain.recipeHash("base"),
    ];
    assert.equal(new Set(different).size, different.length);
  });

  it("has a hash that ignores time limits", async () => {
    const limited = await plan("modules: [one]\ntimeouts: {one: 2 hours}\n");
    assert.equal(limited.recipeHash("base"), await hash("modules: [one]\n"));
    assert.equal(limited.modules[0]?.timeoutSeconds, 7200);
  });

  it("treats dashed-name and dashed_name as the same module with the same hash", async () => {
    assert.equal(
      await hash("modules: [dashed-name]\ndashed-name: 1\n"),
      await hash("modules: [dashed_name]\ndashed_name: 1\n"),
    );
  });

  it("has prefix hashes that depend on earlier modules, and module hashes that do not", async () => {
    const [a, b] = [await plan("modules: [one, two]\none: 1\n"), await plan("modules: [one, two]\none: 2\n")];
    assert.equal(a.modules[1]?.hash, b.modules[1]?.hash);
    assert.notEqual(a.modules[1]?.prefixHash, b.modules[1]?.prefixHash);
  });

  it("has a hash that depends on the content of uploads, in folders on every file, but not on their path", async () => {
    const yaml = "modules: [upload]\nupload: data\n";
    assert.equal(await hash(yaml), await hash(yaml));
    assert.notEqual(await hash(yaml), await hash(yaml, { "data/sub/b.txt": "B" }));
    assert.notEqual(await hash(yaml), await hash(yaml, { "data/sub/c.txt": "" }));
    const { uploads } = (await plan(yaml)).modules[0] ?? {};
    assert.match(uploads?.[0]?.destination ?? "", /^\/var\/tmp\/ci-images-[0-9a-f]{16}-data$/);
    assert.match(uploads?.[0]?.digest ?? "", /^[0-9a-f]{64}$/);
  });

  it("reports an unreadable upload and a missing secret together, and says how to set the secret", async () => {
    await assert.rejects(plan("modules: [upload, secret]\nupload: nope.txt\n"), (error: Error) => {
      assert.match(error.message, /worker\.yaml: module upload: "nope\.txt" cannot be read/);
      assert.match(error.message, /pulumi config set --secret --path ci-images:secrets\.TOKEN/);
      assert.match(error.message, /CI_IMAGES_SECRET_TOKEN/);
      return true;
    });
  });

  it("has a hash that depends on secrets' values, but never contains a value", async () => {
    const withToken = (value: string) =>
      plan("modules: [secret, script]\n", {}, { ...options, secrets: { TOKEN: value } });
    const [a, b] = [await withToken("hunter2-first"), await withToken("hunter2-second")];
    assert.notEqual(a.recipeHash("base"), b.recipeHash("base"));
    assert(!JSON.stringify(a).includes("hunter2"));
    assert.deepEqual(
      a.modules.map(({ usesSecrets }) => usesSecrets),
      [["TOKEN"], ["TOKEN"]],
    );
  });

  it("fails with the module's own message if a module throws", async () => {
    await assert.rejects(plan("modules: [throws]\n"), {
      name: "UserError",
      message: /module throws: .*not on a Sunday/,
    });
  });

  it("puts what comes before a reboot into one script and the rest into another, with the distribution's own tools", async () => {
    const steps = (await plan("modules: [reboots]\ndistribution: rocky9\n")).modules[0]?.steps ?? [];
    assert.deepEqual(
      steps.map(({ kind }) => kind),
      ["script", "reboot", "script"],
    );
    assert(steps[2]?.kind === "script");
    assert.match(steps[2].script, /^rpm --query --quiet d \|\| dnf -y install d\n\nsystemctl enable --now e\n$/);
  });

  it("has the modules' checks in order, then the recipe's tests", async () => {
    const { checks } = await plan("modules: [two, one]\ntests: [{name: t, run: 'true', timeout: 5 minutes}]\n");
    assert.deepEqual(
      checks.map(({ module, what }) => `${module}: ${what}`),
      ["two: fact of two", "one: fact of one", "recipe: t"],
    );
    assert.equal(checks[2]?.timeoutSeconds, 300);
  });

  it("explains a change in words, and nothing that stayed the same", async () => {
    const describePlanOf = async (yaml: string, base = "b1", more: Record<string, string> = {}) =>
      describePlan(await plan(yaml, more), { id: base, description: `debian 12 ${base}` });
    const before = await describePlanOf("modules: [one, two]\none: 1\n");
    assert.deepEqual(explainChange(before, await describePlanOf("modules: [one, two] # same\none: 1\n")), []);
    const lines = explainChange(
      before,
      await describePlanOf(
        "modules: [two, one, upload]\none: 2\nupload: data\nsize: 8G\ntests: [{name: t, run: 'true'}]\n",
        "b2",
      ),
    );
    assert.equal(lines.length, 6, lines.join("\n"));
    assert.equal(lines[0], "base: debian 12 b1 => debian 12 b2");
    assert.equal(lines[1], "disk size: 4G => 8G");
    assert.equal(lines[2], "one: 1 => 2");
    assert.equal(lines[3], "module upload: added");
    assert.equal(lines[4], "order of modules: one, two => two, one");
    assert.equal(lines[5], "tests: + t");
    const edited = await describePlanOf("modules: [one]\none: 1\n", "b1", {
      "modules/one.mjs": render.replace(`"fact of " + name`, `"a fact"`),
    });
    assert.match(
      explainChange(before, edited).join("\n"),
      /^script of module one changed \(same settings\)\nmodule two: removed$/,
    );
  });

  it("names a changed upload or test, and compares older descriptions by digest", async () => {
    const uploading = "modules: [upload]\nupload: data/a.txt\ntests: [{name: t, run: 'true'}]\n";
    const before = describePlan(await plan(uploading, { "data/a.txt": "one" }), { id: "b" });
    const after = describePlan(await plan(uploading.replace("'true'", "'false'"), { "data/a.txt": "two" }), {
      id: "b",
    });
    assert.deepEqual(explainChange(before, after), ["module upload: uploaded file a.txt changed", 'test "t" changed']);
    const [old] = explainChange(withoutDetails(before), after);
    assert.match(old, /^module upload: its script, files or secrets changed \([0-9a-f]{8} => [0-9a-f]{8}\)$/);
  });

  it("names a test that changed even if another has the same name", async () => {
    const describe = async (...runs: string[]) => {
      const tests = runs.map((run) => `{name: t, run: '${run}'}`).join(", ");
      return describePlan(await plan(`modules: [one]\none: 1\ntests: [${tests}]\n`), { id: "b" });
    };
    const before = await describe("test 1", "test 2");
    for (const after of [
      await describe("test 3", "test 2"),
      await describe("test 1", "test 3"),
      await describe("test 2"),
    ])
      assert.deepEqual(explainChange(before, after), ['test "t" changed']);
  });

  it("does not blame the module's secret if one of two uploads with the same name changed", async () => {
    const both = {
      "modules/both.mjs": `export function modify(name, root) {
        for (const folder of ["data/sub", "data/other"]) root.run("cat " + root.upload(folder + "/b.txt"));
        root.secret("TOKEN");
      }`,
    };
    const describe = async (sub: string, other: string) =>
      describePlan(
        await plan("modules: [both]\n", { ...both, "data/sub/b.txt": sub, "data/other/b.txt": other }, withToken),
        { id: "b" },
      );
    const before = await describe("one", "two");
    for (const after of [await describe("1", "two"), await describe("one", "2"), await describe("two", "one")])
      assert.deepEqual(explainChange(before, after), ["module both: uploaded file b.txt changed"]);
  });

  it("has a description that survives JSON", async () => {
    const description = describePlan(await plan("modules: [one]\n"), { id: "b" });
    assert.deepEqual(JSON.parse(JSON.stringify(description)), description);
  });

  it("has another hash after an uploaded file was edited in the same process", async () => {
    const folder = folders.make({ ...modules, "worker.yaml": "modules: [upload]\nupload: data/a.txt\n" });
    const once = async () => {
      const recipe = await loadRecipe(join(folder, "worker.yaml"));
      assert(recipe.distributions[0]);
      return (await planRecipe(recipe, recipe.distributions[0], options)).recipeHash("base");
    };
    const before = await once();
    writeFileSync(join(folder, "data/a.txt"), "edited");
    assert.notEqual(await once(), before);
  });
});
