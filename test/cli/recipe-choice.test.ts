// `--recipe NAME`: which worker images and outputs a verb acts on.
import assert from "node:assert/strict";
import { chosenRecipe } from "../../cli/recipe-choice.ts";
import { ExportedState } from "../../cli/exported-state.ts";
import { imageTree } from "../../cli/verbs/status.ts";

const worker = (name: string, outputs: object = {}) => ({
  urn: `urn:pulumi:s::ci-images::ci-images:index:WorkerImage::${name}`,
  type: "ci-images:index:WorkerImage",
  outputs,
});
const stateOf = (...resources: object[]) => new ExportedState({ version: 3, deployment: { resources } });

const fleet = stateOf(
  worker("ORD-debian12", { recipeName: "a", outputKey: "a-debian12" }),
  worker("DFW-debian12", { recipeName: "a", outputKey: "a-debian12" }),
  worker("ORD-debian12-b", { recipeName: "b", outputKey: "b-debian12" }),
  worker("ORD-debian12-base", { recipeName: "base" }),
);

describe("the option --recipe", () => {
  it("selects the worker images of that recipe, whatever their names; without it, all are selected", () => {
    const names = ["ORD-debian12", "DFW-debian12", "ORD-debian12-b"];
    assert.deepEqual(names.filter(chosenRecipe(fleet, "a", "s")), ["ORD-debian12", "DFW-debian12"]);
    assert.deepEqual(names.filter(chosenRecipe(fleet, undefined, "s")), names);
  });

  it("lists the known names in the error about an unknown name", () => {
    assert.throws(() => chosenRecipe(fleet, "bse", "s"), /recipe bse; allowed: a, b, base; cure: did you mean base\?/);
    assert.throws(() => chosenRecipe(stateOf(), "a", "s"), /none: nothing is baked yet/);
    const older = stateOf(worker("debian12"));
    assert.throws(() => chosenRecipe(older, "a", "s"), /stack s doesn't name recipes yet; cure: .*pulumi up -s s/);
  });
});

describe("the worker image of an output", () => {
  it("is found by the state's records and its place, or by its name in states of older versions", () => {
    assert.equal(fleet.workerOf({ place: ["rackspace", "DFW", "a-debian12"] }), "DFW-debian12");
    assert.equal(fleet.workerOf({ place: ["rackspace", "ORD", "b-debian12"] }), "ORD-debian12-b");
    const older = stateOf(worker("ORD-debian12"), worker("debian13"));
    assert.equal(older.workerOf({ place: ["rackspace", "ORD", "debian12"] }), "ORD-debian12");
    assert.equal(older.workerOf({ place: ["local", "debian13"] }), "debian13");
  });

  it("does not exist for a recipe that only serves as a base", () => {
    assert.deepEqual(
      ["ORD-debian12", "ORD-debian12-base"].map((name) => fleet.isNoOutput(name)),
      [false, true],
    );
    assert.equal(stateOf(worker("debian12")).isNoOutput("debian12"), false);
  });
});

describe("`status`", () => {
  const image = (name: string, recipe: string, ...ancestry: string[]) => ({
    ...{ place: ["local", name], recipe, builtAt: "T", disk: `/${name}` },
    ancestry: ancestry.map((each) => ({ name: each, recipe: each.repeat(8) })),
  });

  it("shows each image below the one it was built on, and names bases that no longer exist", () => {
    const lines = imageTree([
      image("top-debian12", "3".repeat(8), "2", "1"),
      image("one-debian12", "1".repeat(8)),
      image("two-debian12", "2".repeat(8), "1"),
      image("other-debian12", "4".repeat(8), "9"),
    ]);
    assert.deepEqual(lines, [
      "image local one-debian12: /one-debian12, recipe 11111111, built T",
      "  image local two-debian12: /two-debian12, recipe 22222222, built T",
      "    image local top-debian12: /top-debian12, recipe 33333333, built T",
      "image local other-debian12: /other-debian12, recipe 44444444, built T, made on 9 99999999",
    ]);
  });
});
