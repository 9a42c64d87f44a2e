// What a resource type or a function of this provider is: a contract, and what it does. The server (server.ts) does what is the same for
// all: checking inputs, diffing, secrets, progress, cancellation.
import type {
  AnswerOf,
  FunctionContract,
  InputsOf,
  Properties,
  ResourceContract,
  StateOf,
} from "../common/contract.ts";

/** What a resource may use while it works. */
export interface Context {
  /** Shows a line under the resource. `transient` lines only tell what is going on now and are not kept. */
  readonly progress: (line: string, transient?: boolean) => void;
  /** Aborted when the user pressed Ctrl-C, or when the engine died: end child processes and throw. */
  readonly signal: AbortSignal;
}

/** What a resource type does. `I` are its inputs, `S` is its state. */
export interface Behaviour<I extends object, S extends object> {
  /** Whether the old one must be gone before the new one is made. */
  readonly deleteBeforeReplace?: boolean;
  /**
   * Looks at the world when the inputs did not change: "replace" when the thing is gone, "update" when it needs `update`
   * to be right again. Without it `pulumi up` would only notice after a refresh.
   * @param wanted The new inputs; in a preview some may be unknown.
   */
  drift?(id: string, state: S, wanted?: I): Promise<"none" | "update" | "replace">;
  /**
   * @returns `meanwhile`, where there is something to watch while later resources are made: it runs beside them, nobody waits for it, and
   * it ends with the command at the latest. It tells what it sees as progress; it fails nothing.
   */
  create(
    inputs: I,
    context: Context,
  ): Promise<{ id: string; outputs: S; meanwhile?: (context: Context) => Promise<void> }>;
  /** @returns the present state, or undefined when the thing is gone. */
  read?(id: string, state: S, context: Context): Promise<S | undefined>;
  update?(id: string, state: S, inputs: I, context: Context): Promise<S>;
  /** No-op if the thing no longer exists. */
  delete?(id: string, state: S, context: Context): Promise<void>;
}

/** One resource type. */
export interface ResourceType<I extends object, S extends object> extends Behaviour<I, S> {
  readonly contract: ResourceContract<Properties, Properties, string>;
}

/** The resource type that fulfils a contract. */
export function implement<C extends ResourceContract>(
  contract: C,
  behaviour: Behaviour<InputsOf<C>, StateOf<C>>,
): ResourceType<InputsOf<C>, StateOf<C>> {
  return { ...behaviour, contract };
}

/** A function of the provider: looks something up, changes nothing that the user would notice. */
export interface FunctionType<I extends object, A extends object> {
  readonly token: string;
  readonly contract: FunctionContract;
  call(inputs: I, context: Context): Promise<A>;
}

/** The function that fulfils a contract. */
export function answer<C extends FunctionContract>(
  contract: C,
  call: (inputs: InputsOf<C>, context: Context) => Promise<AnswerOf<C>>,
): FunctionType<InputsOf<C>, AnswerOf<C>> {
  return { token: contract.token, contract, call };
}
