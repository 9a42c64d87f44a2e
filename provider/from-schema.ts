// Resource types that have a JSON schema and no contract yet, and functions without one.
import { Ajv, type JSONSchemaType } from "ajv";
import * as v from "valibot";
import type { ResourceContract } from "../common/contract.ts";
import type { Context, ResourceType as Implemented } from "./resource.ts";

/** A JSON schema for inputs, loosely typed: our inputs have optional parts that JSONSchemaType can't express well. */
export type InputSchema = Partial<JSONSchemaType<unknown>> & {
  type: "object";
  properties: object;
  required?: string[];
};

/** One resource type. `I` are its inputs; `O` its outputs, which always repeat the inputs. */
export interface ResourceType<I extends object, O extends object> {
  /** The type token: `ci-images:local:Builder`. */
  readonly token: string;
  /** What inputs look like; unknown keys are refused. */
  readonly inputs: InputSchema;
  /**
   * Inputs whose change replaces the resource. Changes of other inputs do nothing, or call `update` where there is one.
   */
  readonly replaceOn: readonly (keyof I & string)[];
  /** Outputs to be kept as secrets in the state. */
  readonly secretOutputs?: readonly (keyof O & string)[];
  /** Whether the old one must be gone before the new one is made. */
  readonly deleteBeforeReplace?: boolean;

  /**
   * Looks at the world when the inputs did not change: "replace" when the thing is gone, "update" when it needs `update`
   * to be right again. Without it `pulumi up` would only notice after a refresh.
   * @param wanted The new inputs; in a preview some may be unknown.
   */
  drift?(id: string, state: O, wanted?: I): Promise<"none" | "update" | "replace">;
  /**
   * @returns `meanwhile`, where there is something to watch while later resources are made: it runs beside them, nobody waits for it, and
   * it ends with the command at the latest. It tells what it sees as progress; it fails nothing.
   */
  create(
    inputs: I,
    context: Context,
  ): Promise<{ id: string; outputs: O; meanwhile?: (context: Context) => Promise<void> }>;
  /** @returns the present state, or undefined when the thing is gone. */
  read?(id: string, state: O, context: Context): Promise<O | undefined>;
  update?(id: string, state: O, inputs: I, context: Context): Promise<O>;
  /** Must be content with a thing that is already gone. */
  delete?(id: string, state: O, context: Context): Promise<void>;
}

/** A function of the provider. */
export interface FunctionType<I extends object, O extends object> {
  readonly token: string;
  call(inputs: I, context: Context): Promise<O>;
}

export type { Context };

const ajv = new Ajv({ strictRequired: false, allowUnionTypes: true });

export function fromSchema(type: unknown): Implemented<object, object> {
  const old = type as ResourceType<object, object>;
  const { token, replaceOn, secretOutputs = [] } = old;
  const inputs = Object.entries(old.inputs.properties as Record<string, object>).map(([name, schema]) => {
    let validate: ReturnType<typeof ajv.compile> | undefined;
    const property = v.custom(
      (value) => Boolean((validate ??= ajv.compile(schema))(value)),
      "must be as its schema says",
    );
    return [name, old.inputs.required?.includes(name) ? property : v.optional(property)];
  });
  const contract = {
    token,
    inputs: Object.fromEntries(inputs) as object,
    outputs: {},
    replaceOn,
    secrets: secretOutputs,
  };
  return { ...old, contract: contract as unknown as ResourceContract };
}
