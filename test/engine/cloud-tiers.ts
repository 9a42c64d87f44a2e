// A recipe on top of another recipe. The same on every cloud.
import assert from "node:assert/strict";
import { prepare } from "./cloud-life-cycle.ts";
import type { Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";

/** Recipe tests: nothing grows from tier to tier, neither on the builder nor on a machine booted from the image. */
export const growth = [
  {
    name: "no account is duplicated",
    run: "for each in passwd group shadow; do ! cut -d: -f1 /etc/$each | sort | uniq -d | grep . || exit 1; done",
  },
  { name: "/etc/hosts has no duplicate lines", run: "! grep -v '^#' /etc/hosts | sort | uniq -d | grep ." },
  {
    name: "cloud-init has one instance",
    run: "[ ! -d /var/lib/cloud/instances ] || [ $(ls /var/lib/cloud/instances | wc -l) -le 1 ]",
  },
  { name: "there is at most one login rule", run: "[ $(ls /etc/sudoers.d/*cloud-init* 2>/dev/null | wc -l) -le 1 ]" },
];

const tests = [{ name: "the file is there", run: "test -s /etc/tiny" }, ...growth];
const below = (content = "one") => tinyRecipe(content, { name: "below", tests });
const above = (content = "one") => ({
  ...tinyRecipe("one", { name: "above", base: { recipe: "below.yaml" }, tests }),
  files: [{ path: "/etc/above", content: `${content}\n` }],
});

/** Bakes two tiers, then edits each one. */
export function twoTiers(open: () => Promise<Subject>): void {
  const made = prepare(open, above());
  before(() => made.stack.recipe(below(), "below.yaml"));
  /** The upper image's id, and the ids of all other images. */
  const images = async () => {
    const id = (await made.stack.image())!.id;
    const all = await made.cloud.images();
    return { id, others: all.filter((each) => each !== id) };
  };

  it("bakes in one `up`, from the verified image of the recipe below", async () => {
    const { output } = await made.stack.up();
    const [, recipe] = /debian12-below: will be baked: no image of recipe ([0-9a-f]{8})/.exec(output) ?? [];
    assert.match(output, new RegExp(`debian12: will be baked: .*above on below, recipe ${recipe}`));
    assert.ok(
      output.search(/debian12-below-\S+-promotion created/) < output.search(/debian12-[0-9a-f]{8}-files created/),
    );
    assert.equal((await images()).others.length, 1);
    assert.deepEqual(await made.cloud.machines(), []);
    await made.stack.up();
    assert.deepEqual(await made.stack.bakeRecords(), []);
    await made.stack.succeed("refresh", "--yes", "--skip-preview");
    await made.stack.expectNoChanges();
  });

  it("leaves the image below alone when only the upper recipe changes", async () => {
    const before = await images();
    await made.stack.recipe(above("two"));
    const { output } = await made.stack.up();
    assert.doesNotMatch(output, /debian12-below: will be baked/);
    const after = await images();
    assert.notEqual(after.id, before.id);
    assert.ok(after.others.includes(before.others[0]));
    await made.stack.up();
  });

  it("bakes both again when the recipe below changes, says why, and deletes the old image below", async () => {
    const before = await images();
    await made.stack.recipe(below("two"), "below.yaml");
    const preview = await made.stack.succeed("preview");
    assert.ok(preview.output.includes(String.raw`below: files[0].content: "one\n" => "two\n"`), preview.output);
    await made.stack.up();
    await made.stack.up();
    const after = await images();
    assert.equal(after.others.length, 1);
    assert.notDeepEqual(after.others, before.others);
    assert.deepEqual(await made.stack.bakeRecords(), []);
    assert.deepEqual(await made.cloud.leftovers([after.id, ...after.others]), []);
  });
}
