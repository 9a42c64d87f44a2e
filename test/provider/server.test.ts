// What the provider does for every resource type: checking inputs, diffing, secrets, cancellation.
import assert from "node:assert/strict";
import * as v from "valibot";
import { functionContract, integer, listOf, resourceContract, type InputsOf } from "../../common/contract.ts";
import type { EngineLog } from "../../provider/engine-log.ts";
import type { Part, Parts } from "../../provider/registry.ts";
import { answer, implement, type Behaviour, type Context } from "../../provider/resource.ts";
import { ImagesProvider } from "../../provider/server.ts";
import { containsUnknown, unwrapSecrets, wrapSecret } from "../../provider/values.ts";
import { UserError } from "../../common/user-error.ts";

const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const urn = "urn:pulumi:stack::project::ci-images:index:WorkerImage$ci-images:test:Thing::name";

const Thing = resourceContract("ci-images:test:Thing", {
  inputs: { size: integer(1), label: v.optional(v.string()), key: v.optional(v.string()) },
  replaceOn: ["size"],
  secrets: ["key"],
});
type Inputs = InputsOf<typeof Thing>;

const quiet = { info: () => {}, flush: async () => {} } as unknown as EngineLog;

/** The provider's only part. */
function test(part: Partial<Part>): Parts {
  return { test: async () => ({ resources: [], functions: [], ...part }) };
}

/** A provider with one resource type. @param changes Overrides the type's behaviour. @returns it, and its log lines. */
function providerOf(changes: Partial<Behaviour<Inputs, Inputs>> = {}) {
  const lines: string[] = [];
  const log = { info: (_urn: string, line: string) => lines.push(line), flush: async () => {} } as unknown as EngineLog;
  const thing = implement(Thing, { create: async (inputs) => ({ id: "id", outputs: inputs }), ...changes });
  return { provider: new ImagesProvider("1.0.0", log, test({ resources: [thing] })), lines };
}

describe("the provider", () => {
  it("refuses unknown, missing and mistyped inputs by name", async () => {
    const { failures } = await providerOf().provider.check(urn, {}, { label: 3, colour: "red" });
    assert.deepEqual(
      failures!.map(({ property }) => property).sort(),
      ["colour", "label", "size"],
      JSON.stringify(failures),
    );
  });

  it("says what was found and what is allowed, but never shows a secret", async () => {
    const { provider } = providerOf();
    const reasons = async (news: object) =>
      (await provider.check(urn, {}, news as Record<string, unknown>)).failures!.map(({ reason }) => reason);
    assert.deepEqual(await reasons({ size: 0 }), ["is 0, and must be >=1"]);
    assert.deepEqual(await reasons({ size: 1.5 }), ["is 1.5, and must be a whole number"]);
    assert.deepEqual(await reasons({ size: wrapSecret("1234") }), ["must be number"]);
    assert.deepEqual(await reasons({ size: 1, key: 1234 }), ["must be string"]);
    assert.deepEqual(await reasons({ label: undefined, colour: "red" }), ["is missing", "is not known"]);
  });

  it("answers that a part is ready once it is loaded, also if there is no such part", async () => {
    let isLoaded = false;
    const load = async () => ((isLoaded = true), { resources: [], functions: [] });
    const provider = new ImagesProvider("1.0.0", quiet, { test: load });
    assert.deepEqual(await provider.invoke("ci-images:other:ready", {}), { outputs: {} });
    assert.ok(!isLoaded);
    assert.deepEqual(await provider.invoke("ci-images:test:ready", {}), { outputs: {} });
    assert.ok(isLoaded);
  });

  it("refuses wrong arguments of a function", async () => {
    const contract = functionContract("ci-images:test:find", { inputs: { port: integer() } });
    const find = answer(contract, async () => assert.fail("it is not called"));
    const provider = new ImagesProvider("1.0.0", quiet, test({ functions: [find] }));
    await assert.rejects(provider.invoke(find.token, { port: "ssh" }), /ci-images:test:find: port is "ssh"/);
  });

  it("knows no types or functions but those of its parts", async () => {
    const { provider } = providerOf();
    await assert.rejects(
      provider.check(urn.replace("Thing", "Thong"), {}, {}),
      /unknown resource type ci-images:test:Thong$/,
    );
    await assert.rejects(
      provider.create(urn.replace("test:", "moon:"), {}),
      /unknown resource type ci-images:moon:Thing$/,
    );
    await assert.rejects(provider.invoke("ci-images:test:find", {}), /unknown function ci-images:test:find$/);
  });

  it("accepts inputs that are not known yet", async () => {
    const { failures } = await providerOf().provider.check(urn, {}, { size: unknown, label: unknown });
    assert.deepEqual(failures, []);
  });

  it("replaces a resource only if an input in replaceOn changes", async () => {
    const { provider } = providerOf();
    const diff = (news: Inputs) => provider.diff("id", urn, { size: 1, label: "a" }, { ...news });
    assert.deepEqual((await diff({ size: 2, label: "a" })).replaces, ["size"]);
    assert.equal((await diff({ size: 1, label: "b" })).changes, false);
    assert.equal((await diff({ size: 1, label: "a" })).changes, false);
  });

  it("asks the type which resource to delete before its successor is made", async () => {
    const { provider } = providerOf({ deleteBeforeReplace: (changed) => changed.includes("size") });
    const diff = (news: Inputs) => provider.diff("id", urn, { size: 1, label: "a" }, { ...news });
    assert.equal((await diff({ size: 2, label: "a" })).deleteBeforeReplace, true);
    const gone = providerOf({ drift: async () => "replace" }).provider;
    assert.equal((await gone.diff("id", urn, { size: 1 }, { size: 1 })).deleteBeforeReplace, false);
  });

  it("updates in place if the type can", async () => {
    const { provider } = providerOf({ update: async (_id, _state, inputs) => inputs });
    assert.deepEqual(await provider.diff("id", urn, { size: 1, label: "a" }, { size: 1, label: "b" }), {
      changes: true,
    });
  });

  it("replaces a resource that no longer exists although its inputs are the same", async () => {
    const { provider } = providerOf({ drift: async () => "replace" });
    assert.equal((await provider.diff("id", urn, { size: 1 }, { size: 1 })).replaces!.length, 1);
  });

  it("passes secrets to the resource in clear text, and wrapped to the engine", async () => {
    let seen: Inputs | undefined;
    const { provider } = providerOf({
      create: async (inputs) => {
        seen = inputs;
        return { id: "id", outputs: inputs };
      },
    });
    const made = await provider.create(urn, { size: 1, key: wrapSecret("hidden") });
    assert.equal(seen!.key, "hidden");
    assert.deepEqual((made.outs as { key: unknown }).key, wrapSecret("hidden"));
  });

  it("omits undefined values, which the protocol can't carry", async () => {
    const contract = functionContract("ci-images:test:find", { inputs: {}, answer: { images: listOf<object>() } });
    const find = answer(contract, async () => ({ images: [{ path: "/a", proof: undefined }] }));
    const found = await new ImagesProvider("1.0.0", quiet, test({ functions: [find] })).invoke(find.token, {});
    assert.deepEqual(Object.keys((found.outputs as { images: object[] }).images[0]), ["path"]);
    const { provider } = providerOf({
      create: async (inputs) => ({ id: "id", outputs: { ...inputs, label: undefined } }),
    });
    assert.deepEqual(Object.keys((await provider.create(urn, { size: 1 })).outs as object), ["size"]);
  });

  it("shows a resource's progress under the resource", async () => {
    const create = async (inputs: Inputs, { progress }: Context) => {
      progress("half-way");
      return { id: "id", outputs: inputs };
    };
    const { provider, lines } = providerOf({ create });
    await provider.create(urn, { size: 1 });
    assert.deepEqual(lines, ["half-way"]);
  });

  it("lets a resource keep watching in the background, and shows its progress and errors without failing", async () => {
    let go: () => void;
    const made = new Promise<void>((resolve) => (go = resolve));
    const meanwhile = async ({ progress }: Context) => {
      await made;
      progress("seen");
      throw new Error("and no more");
    };
    const { provider, lines } = providerOf({ create: async (inputs) => ({ id: "id", outputs: inputs, meanwhile }) });
    await provider.create(urn, { size: 1 });
    assert.deepEqual(lines, [], "creation does not wait for it");
    go!();
    await new Promise(setImmediate);
    assert.deepEqual(lines, ["seen", "and no more"]);
  });

  it("aborts running operations when it is cancelled", async () => {
    const create = (_inputs: Inputs, { signal }: Context) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
        setImmediate(() => void provider.cancel());
      });
    const { provider } = providerOf({ create });
    await assert.rejects(provider.create(urn, { size: 1 }), UserError);
  });

  it("starts nothing after it was cancelled", async () => {
    const { provider } = providerOf({ create: async () => assert.fail("it starts") });
    const creating = provider.create(urn, { size: 1 });
    await provider.cancel();
    await assert.rejects(creating, UserError);
  });

  it("reports a resource that is gone with an empty id", async () => {
    const { provider } = providerOf({ read: async () => undefined });
    assert.deepEqual(await provider.read("id", urn, { size: 1 }), { id: "", props: {} });
  });
});

describe("values on the wire", () => {
  it("can be secrets at any depth, which are unwrapped", () => {
    assert.deepEqual(unwrapSecrets({ a: [{ b: wrapSecret({ c: wrapSecret(1) }) }] }), { a: [{ b: { c: 1 } }] });
  });

  it("can be unknown at any depth, which is detected", () => {
    assert.ok(containsUnknown({ a: [{ b: unknown }] }));
    assert.ok(!containsUnknown({ a: ["known", null, 1] }));
  });
});
