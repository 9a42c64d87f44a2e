// How the official providers of the clouds behave, whatever the resource: they are Terraform providers behind a bridge
// (https://github.com/pulumi/pulumi-terraform-bridge). Which inputs are wrong, what is a change, what a preview knows.
import { isDeepStrictEqual } from "node:util";
import { Ajv, type ErrorObject } from "ajv";
import { difference } from "../../tools/stand-ins/command-plugin/difference.mjs";
import { isObject, isUnknown, unknownValue } from "../../tools/stand-ins/command-plugin/values.mjs";
import type { ResourceSchema, Schema } from "./sdk-schema.ts";

/** Values of a resource as they are on the wire, secrets revealed. */
export type Values = Record<string, unknown>;

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const compiled = new WeakMap<Schema, ReturnType<typeof ajv.compile>>();

/** What is wrong with inputs, by the SDK's declaration. Unknown values are taken for right. */
export function inputFailures(schema: Schema, inputs: Values): { property: string; reason: string }[] {
  let validate = compiled.get(schema);
  if (!validate) compiled.set(schema, (validate = ajv.compile(schema)));
  if (validate(inputs)) return [];
  return validate
    .errors!.filter(({ instancePath }) => !isUnknown(valueAt(inputs, instancePath)))
    .map((error) => ({ property: pathOf(error), reason: `${error.message} (as the SDK declares it)` }));
}

function pathOf({ instancePath, params }: ErrorObject): string {
  const { missingProperty, additionalProperty } = params as { missingProperty?: string; additionalProperty?: string };
  const last = missingProperty ?? additionalProperty;
  return [...instancePath.split("/").slice(1), ...(last === undefined ? [] : [last])].join(".");
}

function valueAt(values: unknown, path: string): unknown {
  const steps = path.split("/").slice(1);
  return steps.reduce((value, step) => (value as Values | undefined)?.[step.replaceAll("~1", "/")], values);
}

/**
 * What changed, as the bridge finds it: the state is compared with the inputs that are given. What is not given and was not
 * given before is the provider's business and no change.
 * @param state The recorded outputs.
 * @param olds The inputs of before.
 * @param news The inputs of now.
 * @returns paths such as `rootBlockDevice.volumeSize`.
 */
export function changesOf(state: Values, olds: Values, news: Values): ReturnType<typeof difference> {
  const keys = Object.keys({ ...olds, ...news }).filter((key) => !key.startsWith("__"));
  const given = (values: Values, key: string) => (isEmpty(values[key]) ? undefined : values[key]);
  const before = keys.map((key) => {
    const [old, now] = [given(olds, key), given(news, key)];
    return [key, now === undefined ? old : seenThrough(state[key], now)] as const;
  });
  return difference(
    Object.fromEntries<unknown>(before),
    Object.fromEntries<unknown>(keys.map((key) => [key, given(news, key)])),
  );
}

/** The part of a recorded value that an input speaks of. */
function seenThrough(state: unknown, input: unknown): unknown {
  if (isEmpty(state) && isEmpty(input)) return input;
  if (Array.isArray(state) && Array.isArray(input)) {
    const sorted = (list: unknown[]) => list.map((item) => JSON.stringify(item)).sort();
    // Sets of words have no order.
    if (isDeepStrictEqual(sorted(state), sorted(input))) return input;
    return state.length === input.length ? state.map((item, index) => seenThrough(item, input[index])) : state;
  }
  if (isObject(state) && isObject(input) && !isMap(state, input)) {
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, seenThrough(state[key], value)]));
  }
  return state;
}

/** Tags, labels, metadata: every key counts, because they are all the user's. Blocks have fields of other kinds, too. */
function isMap(state: Values, input: Values): boolean {
  const values = [...Object.values(state), ...Object.values(input)];
  return values.every((value) => typeof value === "string") && Object.keys(state).every((key) => !isBlockField(key));
}

function isBlockField(key: string): boolean {
  return ["volumeType", "deviceName", "initializeParams", "httpTokens"].includes(key);
}

/** Terraform can't tell a zero value from none. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** What a preview knows of a resource that is to be made: its inputs. The provider's own outputs are unknown. */
export function previewOf(schema: ResourceSchema, inputs: Values): Values {
  const computed = Object.entries(schema.outputs)
    .filter(([name, { required }]) => required && isEmpty(inputs[name]))
    .map(([name]) => [name, unknownValue]);
  return { ...(Object.fromEntries(computed) as Values), ...inputs };
}
