// The types of the provider's resources and functions: a contract and its implementation. The server (server.ts) does
// the common part: checking inputs, diffing, secrets, progress, cancellation.
import type {
  AnswerOf,
  FunctionContract,
  InputsOf,
  Properties,
  ResourceContract,
  StateOf,
} from "../common/contract.ts";

/** Pulumi's project and stack. */
export interface Owner {
  project: string;
  stack: string;
}

/** The tools of a resource while it works. */
export interface Context {
  /** Shows a line under the resource. `transient` lines only show current activity and are not kept. */
  readonly progress: (line: string, transient?: boolean) => void;
  /** Aborted on Ctrl-C, or if the engine dies: end child processes and throw. */
  readonly signal: AbortSignal;
  /** What the resource belongs to; missing for functions. */
  readonly owner?: Owner;
}

/** The implementation of a resource type. `I` are its inputs, `S` is its state. */
export interface Behaviour<I extends object, S extends object> {
  /**
   * Whether a replacement deletes the old resource before it makes the new one.
   * @param changed The changed inputs that require it; empty if the real resource is gone or useless.
   */
  deleteBeforeReplace?(changed: readonly string[]): boolean;
  /**
   * Checks the real resource if the inputs did not change: "replace" if it no longer exists, "update" if `update` must
   * repair it. Otherwise `pulumi up` would notice only after a refresh.
   * @param wanted The new inputs; in a preview some may be unknown.
   */
  drift?(id: string, state: S, wanted?: I): Promise<"none" | "update" | "replace">;
  /**
   * @returns `meanwhile`, if there is something to watch while later resources are made. It runs in the background, and
   *   ends with the command at the latest. It reports progress, and its failure has no effect.
   */
  create(
    inputs: I,
    context: Context,
  ): Promise<{ id: string; outputs: S; meanwhile?: (context: Context) => Promise<void> }>;
  /** @returns the current state, or undefined if it no longer exists. */
  read?(id: string, state: S, context: Context): Promise<S | undefined>;
  update?(id: string, state: S, inputs: I, context: Context): Promise<S>;
  /** No-op if the resource no longer exists. */
  delete?(id: string, state: S, context: Context): Promise<void>;
}

/** One resource type. */
export interface ResourceType<I extends object, S extends object> extends Behaviour<I, S> {
  readonly contract: ResourceContract<Properties, Properties, string>;
}

/** Combines a contract and its implementation into a resource type. */
export function implement<C extends ResourceContract>(
  contract: C,
  behaviour: Behaviour<InputsOf<C>, StateOf<C>>,
): ResourceType<InputsOf<C>, StateOf<C>> {
  return { ...behaviour, contract };
}

/** A function of the provider: a lookup without visible changes. */
export interface FunctionType<I extends object, A extends object> {
  readonly token: string;
  readonly contract: FunctionContract;
  call(inputs: I, context: Context): Promise<A>;
}

/** Combines a contract and its implementation into a function. */
export function answer<C extends FunctionContract>(
  contract: C,
  call: (inputs: InputsOf<C>, context: Context) => Promise<AnswerOf<C>>,
): FunctionType<InputsOf<C>, AnswerOf<C>> {
  return { token: contract.token, contract, call };
}
