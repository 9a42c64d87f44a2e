// How the official providers of the clouds behave, whatever the resource: they are Terraform providers behind a bridge
// (https://github.com/pulumi/pulumi-terraform-bridge). Which inputs are wrong, what is a change, what a preview knows.
import { isDeepStrictEqual } from "node:util";
import { Ajv, type ErrorObject } from "ajv";
import { difference } from "../../toolchain/offline/command-plugin/difference.mjs";
import { isObject, isUnknown, unknownValue } from "../../toolchain/offline/command-plugin/values.mjs";
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
 * @param schema Of the inputs: tells a block, whose other fields are the provider's, from a map of the user's own keys.
 * @param state The recorded outputs.
 * @param olds The inputs of before.
 * @param news The inputs of now.
 * @returns paths such as `rootBlockDevice.volumeSize`.
 */
export function changesOf(schema: Schema, state: Values, olds: Values, news: Values): ReturnType<typeof difference> {
  const keys = Object.keys({ ...olds, ...news }).filter((key) => !key.startsWith("__"));
  const given = (values: Values, key: string) => (isEmpty(values[key]) ? undefined : values[key]);
  const inside = new Seen(schema);
  const before = keys.map((key) => {
    const [old, now] = [given(olds, key), given(news, key)];
    return [key, now === undefined ? old : inside.through(inside.field(schema, key), state[key], now)] as const;
  });
  return difference(
    Object.fromEntries<unknown>(before),
    Object.fromEntries<unknown>(keys.map((key) => [key, given(news, key)])),
  );
}

/** The part of recorded values that inputs speak of. */
class Seen {
  private readonly definitions: Record<string, Schema>;

  constructor(schema: Schema) {
    this.definitions = (schema.definitions ?? {}) as Record<string, Schema>;
  }

  through(schema: Schema | undefined, state: unknown, input: unknown): unknown {
    if (isEmpty(state) && isEmpty(input)) return input;
    if (Array.isArray(state) && Array.isArray(input)) {
      const sorted = (list: unknown[]) => list.map((item) => JSON.stringify(item)).sort();
      // Sets of words have no order.
      if (isDeepStrictEqual(sorted(state), sorted(input))) return input;
      const items = this.resolved(schema)?.items as Schema | undefined;
      if (state.length !== input.length) return state;
      return state.map((item, index) => this.through(items, item, input[index]));
    }
    if (isObject(state) && isObject(input) && this.isBlock(schema)) {
      const fields = Object.entries(input);
      return Object.fromEntries(
        fields.map(([key, value]) => [key, this.through(this.field(schema!, key), state[key], value)]),
      );
    }
    return state;
  }

  field(schema: Schema, key: string): Schema | undefined {
    return (this.resolved(schema)?.properties as Record<string, Schema> | undefined)?.[key];
  }

  /** Tags, labels, metadata are no blocks: every key is the user's. */
  private isBlock(schema: Schema | undefined): boolean {
    return this.resolved(schema)?.properties !== undefined;
  }

  private resolved(schema: Schema | undefined): Schema | undefined {
    const name = (schema?.$ref as string | undefined)?.replace("#/definitions/", "");
    return name === undefined ? schema : this.definitions[name];
  }
}

/** Terraform can't tell a zero value from none. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * What a preview knows of a resource that is to be made: its inputs. The provider's own outputs are unknown.
 * @param nested Inputs with the fields in them that the provider fills in, as {@link unknownValue}.
 */
export function previewOf(schema: ResourceSchema, inputs: Values, nested: Values = {}): Values {
  const computed = Object.entries(schema.outputs)
    .filter(([name, { required }]) => required && isEmpty(inputs[name]))
    .map(([name]) => [name, unknownValue]);
  return { ...(Object.fromEntries(computed) as Values), ...inputs, ...nested };
}
