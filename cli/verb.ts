// The interface of a verb. Each verb is a file in verbs/ and listed in verbs.ts.
import type { Output } from "./output.ts";
import type { CommonOptions, Session } from "./session.ts";

/** One use of a verb on the command line. */
export interface Call {
  /** The words after the verb that are not options. */
  operands: string[];
  /** The verb's own options, in camel case, and the common ones. */
  options: CommonOptions & Record<string, unknown>;
  /** Opens the stack, and is told about Ctrl-C. */
  session: Session;
  output: Output;
}

/** A verb. Every command loads the files of all verbs, so they must load quickly and import Pulumi only in `run`. */
export interface Verb {
  name: string;
  /** Other spellings. */
  aliases?: readonly string[];
  /** One line for the list of verbs. */
  summary: string;
  /** More for `help VERB`. */
  details?: string;
  /** Operands in commander's syntax (`<file>`, `[generation]`, `[words...]`), with their meaning. */
  operands?: readonly { name: string; what: string }[];
  /** True if all following words belong to the verb, even names of verbs. */
  takesAllWords?: boolean;
  /** The verb's own options in commander's syntax, with their meaning. */
  options?: readonly { flags: string; what: string }[];
  examples: readonly string[];
  /** The message after Ctrl-C; by default, how to continue and how to clean up. */
  whenStopped?: string;
  /** True if Ctrl-C is for the program that the verb runs, so it is not announced. */
  leavesInterrupt?: boolean;
  /**
   * Runs the verb.
   * @returns the exit status if it is not 0.
   * @throws UserError when the verb can't do its work, UsageError when it was called wrongly.
   */
  run(call: Call): Promise<number | void>;
}

/** Wrong usage. Ends the command with exit status 2. */
export class UsageError extends Error {}

/** Whether this is a verb's name or another spelling of it. */
export function isNamed(verb: Verb, name: string): boolean {
  return verb.name === name || (verb.aliases?.includes(name) ?? false);
}
