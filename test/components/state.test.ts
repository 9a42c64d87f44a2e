// What the program reads from the stack's state.
import assert from "node:assert/strict";
import { StackState } from "../../components/life-cycle/stack-state.ts";

describe("the stack's state", () => {
  const plan = { name: "worker", recipe: "r" };
  const state = new StackState({
    "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s": { type: "pulumi:pulumi:Stack", outputs: { plans: { r: plan } } },
    "urn:pulumi:s::p::ci-images:index:WorkerImage$a:b:C::debian12-1234": { type: "a:b:C" },
  });

  it("says whether it has a resource, by type and logical name", () => {
    assert.equal(state.has("a:b:C", "debian12-1234"), true);
    assert.equal(state.has("a:b:D", "debian12-1234"), false);
    assert.equal(state.has("a:b:C", "debian12-12"), false);
  });

  it("has the plans behind recipe hashes; a new stack has none", () => {
    assert.deepEqual(state.plans, { r: plan });
    assert.deepEqual(new StackState().plans, {});
  });
});
