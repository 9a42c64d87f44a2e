// Recipes on top of recipes on `local`, on the real engine: three tiers bake in one `up`, each from the verified image
// below. Sealing removes nothing that upper tiers need, and nothing grows from tier to tier.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { ensureBase, resolveBase } from "../../components/local/provider/base/base.ts";
import { growth } from "./cloud-tiers.ts";
import { tinyRecipe } from "./recipes.ts";
import { TestStack } from "./test-stack.ts";

const names = ["one", "two", "three"];

function tier(index: number, content = names[index]): Record<string, unknown> {
  return {
    ...tinyRecipe(content, {
      name: names[index],
      files: [{ path: `/opt/${names[index]}`, content: `${content}\n` }],
      tests: [
        ...names.slice(0, index + 1).map((name) => ({ name: `${name} is there`, run: `test -s /opt/${name}` })),
        ...growth,
      ],
    }),
    ...(index > 0 && { base: { recipe: `${names[index - 1]}.yaml` } }),
  };
}

/** Every path in an image's root file system, with its type, mode, owner, link target and checksum. */
async function contentOf(path: string): Promise<Map<string, string>> {
  const base = await resolveBase({ kind: "image", path }, { projectDirectory: "/" });
  const root = await ensureBase(base, () => {});
  const list = `find . -xdev -printf '%p\\t%y %m %U %G %l\\n' | sort; find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum`;
  const { stdout } = await execa("sh", ["-c", list], { cwd: root, maxBuffer: 2 ** 30 });
  const entries = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    const [, digest, file] = /^\\?([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    const [name, facts] = digest ? [file, digest] : line.split("\t");
    entries.set(name, `${entries.get(name) ?? ""} ${facts}`);
  }
  return entries;
}

/** Paths that differ between two images, or that only one of them has. */
async function differences(below: string, above: string): Promise<string[]> {
  const [one, other] = [await contentOf(below), await contentOf(above)];
  const all = new Set([...one.keys(), ...other.keys()]);
  return [...all].filter((name) => one.get(name) !== other.get(name)).sort();
}

describe("three tiers on `local`", function () {
  this.timeout(3_600_000);
  let stack: TestStack;

  before(async () => {
    stack = await TestStack.create(tinyRecipe());
    for (const index of names.keys()) await stack.recipe(tier(index), `${names[index]}.yaml`);
    await stack.settings({ recipes: names.map((name) => join(stack.directory, `${name}.yaml`)), verify: true });
  });
  after(() => stack.remove());

  const images = async () => (await stack.outputs()).images!.local;
  const manifestOf = async (key: string) =>
    JSON.parse(await readFile(join((await images())[key].path, "manifest.json"), "utf8")) as {
      ancestry?: { name: string; recipe: string }[];
    };

  it("bake in one `up`, each from the image below, and record their ancestry in the manifest", async () => {
    const { output } = await stack.up();
    assert.deepEqual(Object.keys(await images()).sort(), names.map((name) => `${name}-debian12`).sort());
    const recipes = names.map(
      (name) => new RegExp(`debian12-${name}: will be baked: no image of recipe ([0-9a-f]{8})`).exec(output)?.[1],
    );
    assert.equal(new Set(recipes).size, 3, output);
    const { ancestry } = await manifestOf("three-debian12");
    assert.deepEqual(
      ancestry?.map(({ name, recipe }) => [name, recipe.slice(0, 8)]),
      [
        ["two", recipes[1]],
        ["one", recipes[0]],
      ],
    );
    assert.deepEqual(await stack.machines(), []);
    await stack.up();
    assert.deepEqual(await stack.bakeRecords(), []);
    await stack.expectNoChanges();
  });

  it("differ only in what their recipes add", async () => {
    const folders = await images();
    for (const [below, above] of [
      ["one", "two"],
      ["two", "three"],
    ]) {
      const found = await differences(folders[`${below}-debian12`].path, folders[`${above}-debian12`].path);
      const expected = [
        "./etc/ci-images.json",
        // The disk's own identifiers.
        "./etc/fstab",
        "./etc/kernel/cmdline",
        // Rewritten by each seal.
        "./usr/lib/ci-images/kept-paths",
        "./usr/lib/ci-images/sealing",
        "./etc/os-release",
        "./usr/lib/os-release",
        "./var/cache/ldconfig/aux-cache",
        `./opt/${above}`,
      ];
      assert.deepEqual(
        found.filter((name) => !expected.includes(name)),
        [],
        `${below} => ${above}`,
      );
    }
  });

  it("show the change in the lowest recipe as the reason to bake the upper ones", async () => {
    await stack.recipe(tier(0, "uno"), "one.yaml");
    const { output } = await stack.succeed("preview");
    assert.match(output, /debian12-three: will be baked: recipe [0-9a-f]{8} => [0-9a-f]{8}/);
    assert.ok(output.includes(String.raw`two: one: files[0].content: "one\n" => "uno\n"`), output);
    await stack.recipe(tier(0), "one.yaml");
  });

  it("keep the lower images when only the top recipe changes", async () => {
    const before = await images();
    await stack.recipe(tier(2, "tres"), "three.yaml");
    const { output } = await stack.up();
    assert.doesNotMatch(output, /debian12-(one|two): will be baked/);
    const after = await images();
    assert.deepEqual([after["one-debian12"], after["two-debian12"]], [before["one-debian12"], before["two-debian12"]]);
    assert.notEqual(after["three-debian12"].recipe, before["three-debian12"].recipe);
  });
});
