// What a verb is: one file in verbs/, named in verbs.ts.
import type { Output } from "./output.ts";
import type { CommonOptions, Session } from "./session.ts";

/** One use of a verb on the command line. */
export interface Call {
  /** The words after the verb that are no options. */
  operands: string[];
  /** The verb's own options, by their names in camel case, and the common ones. */
  options: CommonOptions & Record<string, unknown>;
  /** Finds the stack, and knows whether the user pressed Ctrl-C. */
  session: Session;
  output: Output;
}

/** One verb. Its file must load quickly, because help reads all of them: Pulumi is loaded by the session when it is used. */
export interface Verb {
  name: string;
  /** Other spellings. */
  aliases?: readonly string[];
  /** One line for the list of verbs. */
  summary: string;
  /** More for `help VERB`. */
  details?: string;
  /** Operands as commander takes them: `<file>`, `[generation]`, `[words...]`. */
  operands?: readonly { name: string; what: string }[];
  /** True when every word that follows is the verb's own, be it a verb's name. */
  takesAllWords?: boolean;
  /** Own options as commander takes them, with what they are for. */
  options?: readonly { flags: string; what: string }[];
  examples: readonly string[];
  /** What is said when Ctrl-C ended it, where that is not how to go on with a stack and how to clean it up. */
  whenStopped?: string;
  /** True when Ctrl-C is meant for the program that it runs: nothing is said of how that is going to end. */
  leavesInterrupt?: boolean;
  /**
   * Does it.
   * @returns the exit status, where it is not 0.
   * @throws UserError when it can't be done, UsageError when it was asked for in a wrong way.
   */
  run(call: Call): Promise<number | void>;
}

/** Wrong usage: ends the command with exit status 2. */
export class UsageError extends Error {}

/** Whether a verb goes by this name, or this is another spelling of it. */
export function isNamed(verb: Verb, name: string): boolean {
  return verb.name === name || (verb.aliases?.includes(name) ?? false);
}
