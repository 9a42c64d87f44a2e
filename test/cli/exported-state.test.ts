// What the command line reads from a stack's exported state.
import assert from "node:assert/strict";
import { ExportedState } from "../../cli/exported-state.ts";

function login(worker: string, recipe: string, created: string) {
  const urn = `urn:pulumi:s::p::ci-images:index:Login::${worker}-${recipe}-login`;
  return { urn, type: "ci-images:index:Login", created, outputs: { worker, recipe, host: "127.0.0.1" } };
}

describe("a stack's state", () => {
  it("has one builder for each worker image: the newest, after a failed bake of an edited recipe", () => {
    const resources = [
      login("debian12", "22222222", "2026-11-21T11:00:00.5Z"),
      login("debian12", "11111111", "2026-11-21T10:00:00Z"),
      login("debian13", "33333333", "2026-11-21T09:00:00Z"),
    ];
    const { logins } = new ExportedState({ version: 3, deployment: { resources } });
    assert.deepEqual(logins.map(({ worker, recipe }) => `${worker} ${recipe}`).sort(), [
      "debian12 22222222",
      "debian13 33333333",
    ]);
  });

  it("says whether a builder was retired or only sealed by the bake", () => {
    const retired = login("debian12", "11111111", "2026-11-21T10:00:00Z");
    const sealed = login("debian13", "22222222", "2026-11-21T10:00:00Z");
    const open = login("rocky9", "33333333", "2026-11-21T10:00:00Z");
    const step = (name: string) => ({ urn: `urn:pulumi:s::p::ci-images:local:Step::${name}`, type: "", outputs: {} });
    const steps = ["debian12-11111111-sealing", "debian12-11111111-retirement", "debian13-22222222-sealing"];
    // Steps of a trial machine and of another recipe don't count.
    const others = ["debian13-22222222-trial-retirement", "rocky9-44444444-retirement"];
    const resources = [retired, sealed, open, ...[...steps, ...others].map(step)];
    const state = new ExportedState({ version: 3, deployment: { resources } });
    const ends = state.logins.map((each) => [each.worker, state.endOf(each)]);
    assert.deepEqual(Object.fromEntries(ends), { debian12: "retired", debian13: "sealed", rocky9: undefined });
  });

  it("doesn't take a module's step for the end of the builder", () => {
    const module = (name: string) => {
      const type = "command:remote:Command";
      return { urn: `urn:pulumi:s::p::${type}::debian12-11111111-${name}`, type, outputs: {} };
    };
    const resources = [login("debian12", "11111111", "2026-11-21T10:00:00Z"), module("sealing"), module("retirement")];
    const state = new ExportedState({ version: 3, deployment: { resources } });
    assert.equal(state.endOf(state.logins[0]), undefined);
  });

  it("lists the resources that a killed command was creating, which the engine never forgets by itself", () => {
    const pending_operations = [
      { type: "creating", resource: { urn: "urn:pulumi:s::p::t::debian12-11111111-builder" } },
      // The engine itself drops pending deletions with its next write.
      { type: "deleting", resource: { urn: "urn:pulumi:s::p::t::debian12-11111111-image" } },
    ];
    const state = new ExportedState({ version: 3, deployment: { resources: [], pending_operations } });
    assert.deepEqual(state.interrupted, ["urn:pulumi:s::p::t::debian12-11111111-builder"]);
    assert.deepEqual(new ExportedState({ version: 3, deployment: { resources: [] } }).interrupted, []);
  });
});
