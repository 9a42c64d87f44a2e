// Contracts: the inputs and outputs of our provider's resources and functions, defined once. The plugin checks inputs
// against them, and both sides derive their types from them. Valibot is a single file that loads in 12 ms; typed JSON
// schema builders take 100 to 400 ms.
import * as v from "valibot";

/** Properties of an object by name, each with its schema. */
export type Properties = v.ObjectEntries;

/** An object with these properties. */
export type ValuesOf<P extends Properties> = v.InferOutput<v.ObjectSchema<P, undefined>>;

/** The terms of a resource. */
interface ResourceTerms<I extends Properties, O extends Properties, L extends string> {
  /** The inputs. Unknown ones are refused. */
  inputs: I;
  /** The properties of the state besides the inputs. */
  outputs?: O;
  /** Inputs whose change replaces the resource. Other changes call `update` if there is one, or do nothing. */
  replaceOn: readonly (keyof I & string)[];
  /** Properties that the state encrypts. */
  secrets?: readonly (keyof (I & O) & string)[];
  /** Inputs missing from states of older versions. */
  addedLater?: readonly L[];
}

/** The contract of a resource type, with {@link ResourceTerms}. */
export interface ResourceContract<
  I extends Properties = Properties,
  O extends Properties = Properties,
  L extends string = string,
> {
  /** The type token: `ci-images:local:Lease`. It is in users' states, so it must never change. */
  readonly token: string;
  readonly inputs: I;
  readonly outputs: O;
  readonly replaceOn: readonly string[];
  readonly secrets: readonly string[];
  readonly addedLater: readonly L[];
}

/** Defines the contract of a resource type. */
export function resourceContract<
  const I extends Properties,
  const O extends Properties = Record<never, never>,
  const L extends keyof I & string = never,
>(token: string, terms: ResourceTerms<I, O, L>): ResourceContract<I, O, L> {
  return { outputs: {} as O, secrets: [], addedLater: [], ...terms, token };
}

/** The inputs of a resource or a function. */
export type InputsOf<C extends { inputs: Properties }> = ValuesOf<C["inputs"]>;

/** A resource's state: the inputs it was made with, and its outputs. */
export type StateOf<C extends ResourceContract> =
  C extends ResourceContract<infer I, infer O, infer L>
    ? Omit<ValuesOf<I>, L> & Partial<Pick<ValuesOf<I>, L & keyof ValuesOf<I>>> & ValuesOf<O>
    : never;

/** The contract of one function. */
export interface FunctionContract<I extends Properties = Properties, A extends Properties = Properties> {
  /** Its token: `ci-images:local:preflight`. */
  readonly token: string;
  readonly inputs: I;
  readonly answer: A;
}

/** Defines the contract of a function. */
export function functionContract<const I extends Properties, const A extends Properties = Record<never, never>>(
  token: string,
  { inputs, answer }: { inputs: I; answer?: A },
): FunctionContract<I, A> {
  return { token, inputs, answer: answer ?? ({} as A) };
}

/** A function's result. */
export type AnswerOf<C extends FunctionContract> = ValuesOf<C["answer"]>;

/** Calls a function of our provider. */
export type Call = <C extends FunctionContract>(contract: C, inputs: InputsOf<C>) => Promise<AnswerOf<C>>;

/** An input that violates its contract. */
export interface Misfit {
  /** A path: `connection.port`. */
  property: string;
  reason: string;
}

/**
 * Checks values against properties.
 * @param isSecret Whether a property's value must not be shown.
 * @returns the violations; empty if there are none.
 */
export function misfits(
  properties: Properties,
  values: Readonly<Record<string, unknown>>,
  isSecret: (property: string) => boolean = () => false,
): Misfit[] {
  const { issues = [] } = v.safeParse(v.strictObject(properties), values);
  return issues.map((issue) => {
    const property = v.getDotPath(issue) ?? "";
    const [top] = property.split(".");
    const { expected, received } = issue;
    if (received === "undefined") return { property, reason: "is missing" };
    if (expected === "never") return { property, reason: "is not known" };
    const allowed = expected === null || expected === "unknown" ? issue.message : `must be ${expected}`;
    return { property, reason: isSecret(top) ? allowed : `is ${received}, and ${allowed}` };
  });
}

/** A text with at least one character. */
export const filled = v.pipe(v.string(), v.minLength(1));

export const texts = v.array(v.string());

/** A mapping from names to texts. */
export const textByName = v.record(v.string(), v.string());

/** A whole number. */
export function integer(minimum = -Infinity) {
  return v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(minimum));
}

/** A value whose type is defined and checked elsewhere. Here it only has to be an object. */
export function objectOf<T extends object>() {
  return v.custom<T>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "must be an object",
  );
}

/** Like {@link objectOf}, for lists. */
export function listOf<T>() {
  return v.custom<T[]>((value) => Array.isArray(value), "must be a list");
}
