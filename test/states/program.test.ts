// States written by earlier versions stay valid: see README.md.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import type { EngineLog } from "../../provider/engine-log.ts";
import { parts } from "../../provider/registry.ts";
import type { ResourceType } from "../../provider/resource.ts";
import { ImagesProvider } from "../../provider/server.ts";
import { runProgram } from "../components/program.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { folder, left, stack, type RecordedResource, type Recording } from "./recording.ts";

const clouds = readdirSync(folder).filter((name) => existsSync(join(folder, name, "program.json")));

interface Recorded extends Recording {
  settings: object;
}

async function recordingOf(cloud: string): Promise<Recorded> {
  const text = await readFile(join(folder, cloud, "program.json"), "utf8");
  // Nothing is read from the image directory.
  const filled = text.replaceAll("{{project}}", projectDirectory).replaceAll("{{images}}", "/images");
  return JSON.parse(filled) as Recorded;
}

/** Replaces values that the recording has left out by the same marks. */
function like(recorded: unknown, found: unknown): unknown {
  if (Object.values<unknown>(left).includes(recorded) && found !== undefined) return recorded;
  if (Array.isArray(recorded) && Array.isArray(found)) return found.map((each, index) => like(recorded[index], each));
  if (!isObject(recorded) || !isObject(found)) return found;
  return Object.fromEntries(Object.entries(found).map(([key, value]) => [key, like(recorded[key], value)]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const loaded = await Promise.all(Object.values(parts).map((load) => load()));
const types = new Map(
  loaded
    .flatMap(({ resources }) => resources as ResourceType<object, object>[])
    .map((type) => [type.contract.token, type]),
);

/** Leaves out inputs that the recorded version did not know. They must be optional and replace nothing. */
function withoutLater({ type, inputs }: RecordedResource, found: Record<string, unknown>): Record<string, unknown> {
  const { inputs: schemas = {}, replaceOn = [] } = types.get(type)?.contract ?? {};
  const isLater = (key: string) =>
    !(key in inputs) && key in schemas && !replaceOn.includes(key) && v.is(schemas[key], undefined);
  return Object.fromEntries(Object.entries(found).filter(([key]) => !isLater(key)));
}

/** A command with an `update` does only that when its script changes and its triggers don't. */
function withoutScript({ type }: RecordedResource, inputs: Record<string, unknown>): Record<string, unknown> {
  if (type !== "command:remote:Command" || inputs.update === undefined) return inputs;
  return { ...inputs, create: undefined };
}

function isOwn({ type }: RecordedResource): boolean {
  return type.startsWith("ci-images:") && type !== "ci-images:index:WorkerImage";
}

for (const cloud of clouds) {
  describe(`a whole bake recorded on ${cloud}`, () => {
    it("is declared by the current program with the same types, names, parents and inputs", async () => {
      const { settings, ...recording } = await recordingOf(cloud);
      const calls = Object.fromEntries(
        recording.calls.map(({ token }) => {
          const same = recording.calls.filter((each) => each.token === token);
          const answer = (inputs: object) =>
            (same.find((each) => isDeepStrictEqual(each.inputs, { ...inputs })) ?? same[0]).answer;
          return [token, answer];
        }),
      );
      const made = (type: string, name: string) =>
        recording.resources.find((each) => each.type === type && each.name === name);
      const { resources: declared } = await runProgram(settings, { calls, made, stack });
      const isCompared = ({ type }: { type: string }) => !/^pulumi:(pulumi:Stack|providers:.*)$/.test(type);
      const expected = recording.resources.filter(isCompared);
      for (const each of expected) {
        const { type, name, parent } = each;
        const inputs = withoutScript(each, each.inputs);
        const found = declared.find((each) => each.type === type && each.name === name);
        assert.ok(found, `${type} ${name} is no longer declared`);
        // The engine keeps these from the state: older versions gave the component more inputs.
        const ignored = type === "ci-images:index:WorkerImage" ? found.ignoreChanges : [];
        const kept = Object.fromEntries(ignored.filter((key) => key in inputs).map((key) => [key, inputs[key]]));
        const given = JSON.parse(JSON.stringify({ ...found.inputs, ...kept })) as Record<string, unknown>;
        const seen = like(inputs, withoutScript(each, withoutLater(each, given)));
        // Without an engine, a resource without a parent is not the stack's child.
        const above = found.parent || `ci-images-${stack}`;
        assert.deepEqual({ parent: above, inputs: seen }, { parent, inputs }, `${type} ${name}`);
      }
      const names = (list: readonly { type: string; name: string }[]) =>
        list.map(({ type, name }) => `${type} ${name}`).sort();
      const present = declared.filter(isCompared);
      assert.deepEqual(names(present), names(expected), "nothing else is declared");
    });

    it("has inputs and outputs that the current plugin accepts and finds unchanged", async () => {
      const quiet = { info: () => {}, flush: async () => {} } as unknown as EngineLog;
      const provider = new ImagesProvider("1.0.0", quiet, parts);
      for (const { type, name, id, inputs, outputs } of (await recordingOf(cloud)).resources.filter(isOwn)) {
        const urn = `urn:pulumi:${stack}::ci-images::ci-images:index:WorkerImage$${type}::${name}`;
        const { failures } = await provider.check(urn, {}, inputs);
        assert.deepEqual(failures, [], `${type} ${name}`);
        // Types with `drift` look at the cloud, where the resource does not exist.
        if (types.get(type)!.drift) continue;
        const difference = await provider.diff(id, urn, { ...inputs, ...outputs }, inputs);
        assert.equal(difference.changes, false, `${type} ${name} would be changed: ${difference.replaces?.join(", ")}`);
      }
    });
  });
}
