// The interface of a verb: one file in verbs/, listed in verbs.ts.
import type { Output } from "./output.ts";
import type { CommonOptions, Session } from "./session.ts";

/** One use of a verb on the command line. */
export interface Call {
  /** The words after the verb that are not options. */
  operands: string[];
  /** The verb's own options, in camel case, and the common ones. */
  options: CommonOptions & Record<string, unknown>;
  /** Finds the stack, and knows about Ctrl-C. */
  session: Session;
  output: Output;
}

/**
 * A verb. Its file must load quickly, because help reads all of them: the session only loads Pulumi when it is used.
 */
export interface Verb {
  name: string;
  /** Other spellings. */
  aliases?: readonly string[];
  /** One line for the list of verbs. */
  summary: string;
  /** More for `help VERB`. */
  details?: string;
  /** Operands in commander's syntax: `<file>`, `[generation]`, `[words...]`. */
  operands?: readonly { name: string; what: string }[];
  /** True if all following words belong to the verb, even names of verbs. */
  takesAllWords?: boolean;
  /** Own options in commander's syntax, with their purpose. */
  options?: readonly { flags: string; what: string }[];
  examples: readonly string[];
  /** The message after Ctrl-C, if it is not how to continue with a stack and how to clean it up. */
  whenStopped?: string;
  /** True if Ctrl-C is meant for the program that it runs: prints no message about it. */
  leavesInterrupt?: boolean;
  /**
   * Runs the verb.
   * @returns the exit status, if it is not 0.
   * @throws UserError when it can't be done, UsageError for wrong usage.
   */
  run(call: Call): Promise<number | void>;
}

/** Wrong usage: ends the command with exit status 2. */
export class UsageError extends Error {}

/** Whether this is a verb's name or another spelling of it. */
export function isNamed(verb: Verb, name: string): boolean {
  return verb.name === name || (verb.aliases?.includes(name) ?? false);
}
