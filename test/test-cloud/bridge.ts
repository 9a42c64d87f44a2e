// What all official providers have in common, because they are Terraform providers behind a bridge
// (https://github.com/pulumi/pulumi-terraform-bridge): input checks, change detection, previews.
import { isDeepStrictEqual } from "node:util";
import { Ajv, type ErrorObject } from "ajv";
import { difference } from "../../toolchain/offline/command-plugin/difference.mjs";
import { isObject, isUnknown, unknownValue } from "../../toolchain/offline/command-plugin/values.mjs";
import type { ResourceSchema, Schema } from "./sdk-schema.ts";

/** Values of a resource from the wire, with secrets revealed. */
export type Values = Record<string, unknown>;

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const compiled = new WeakMap<Schema, ReturnType<typeof ajv.compile>>();

/** Lists what is wrong with inputs by the SDK's declaration. Unknown values are accepted. */
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
 * Finds changes like the bridge: compares the state with the given inputs. Fields that are not given now and were not
 * given before belong to the provider and are no change.
 * @param schema The inputs' schema. It distinguishes blocks, whose other fields belong to the provider, from maps with
 * the user's own keys.
 * @param state The recorded outputs.
 * @param olds The previous inputs.
 * @param news The new inputs.
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

/** Reduces recorded values to the part that inputs mention. */
class Seen {
  private readonly definitions: Record<string, Schema>;

  constructor(schema: Schema) {
    this.definitions = (schema.definitions ?? {}) as Record<string, Schema>;
  }

  through(schema: Schema | undefined, state: unknown, input: unknown): unknown {
    if (isEmpty(state) && isEmpty(input)) return input;
    if (Array.isArray(state) && Array.isArray(input)) {
      const sorted = (list: unknown[]) => list.map((item) => JSON.stringify(item)).sort();
      // Sets of strings have no order.
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

  /** Tags, labels and metadata are not blocks: all their keys belong to the user. */
  private isBlock(schema: Schema | undefined): boolean {
    return this.resolved(schema)?.properties !== undefined;
  }

  private resolved(schema: Schema | undefined): Schema | undefined {
    const name = (schema?.$ref as string | undefined)?.replace("#/definitions/", "");
    return name === undefined ? schema : this.definitions[name];
  }
}

/** Terraform does not distinguish zero values from missing ones. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * A preview's view of a new resource: its inputs are known, the provider's own outputs are not.
 * @param nested Inputs in which the provider fills in fields, with these as {@link unknownValue}.
 */
export function previewOf(schema: ResourceSchema, inputs: Values, nested: Values = {}): Values {
  const computed = Object.entries(schema.outputs)
    .filter(([name, { required }]) => required && isEmpty(inputs[name]))
    .map(([name]) => [name, unknownValue]);
  return { ...(Object.fromEntries(computed) as Values), ...inputs, ...nested };
}
