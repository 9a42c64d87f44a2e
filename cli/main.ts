// The command line: parses the verbs, runs them, and returns the exit status.
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { UserError } from "../common/user-error.ts";
import { ToolProblem } from "../toolchain/problem.mjs";
import { helpOf } from "./help.ts";
import { Output } from "./output.ts";
import { endCommands } from "./running-commands.ts";
import { Session } from "./session.ts";
import { UsageError, type Call, type Verb } from "./verb.ts";
import { findVerb, verbs } from "./verbs.ts";
import { splitCommandLine } from "./split-command-line.ts";

export const status = { done: 0, failed: 1, wrongUsage: 2 } as const;

/**
 * Runs the verbs of a command line one after the other, until one fails.
 * @param words The command line without the program.
 * @returns the exit status.
 */
export async function main(words: readonly string[]): Promise<number> {
  let calls: { verb: Verb; operands: string[]; options: Call["options"] }[];
  try {
    calls = readCalls(words);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return status.done;
    if (!(error instanceof UsageError || error instanceof CommanderError)) throw error;
    // Commander has printed its own message.
    if (error instanceof UsageError) process.stderr.write(`ci-images: ${error.message}\n`);
    return status.wrongUsage;
  }
  const isVerbose = calls.some(({ options }) => options.verbose);
  const output = new Output(process.stdout.isTTY && process.stderr.isTTY, isVerbose);
  const session = new Session(output);
  let running: Verb | undefined;
  const release = stopOnInterrupt(session, () => {
    if (running?.leavesInterrupt) return;
    if (session.isCleaningUp) return output.note("still cleaning up: please wait");
    const risk = session.mustCleanUp ? "" : ", which may leave a lock (cure: `npx pulumi cancel`)";
    output.note(`stopping cleanly; press Ctrl-C again to stop at once${risk}`);
  });
  let unwritten: Error | undefined;
  // Without handlers, these errors would end us, but not pulumi. Results that nobody wants (`| head`) don't stop a bake.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (!isReaderGone(error)) unwritten ??= error;
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (isReaderGone(error)) session.interrupt();
  });
  try {
    for (const { verb, operands, options } of calls) {
      running = verb;
      const code = await verb.run({ operands, options, session, output });
      if (session.leftover !== undefined) return report(session.leftover, output);
      if (session.interrupted.aborted) return reportStopped(verb, output, code);
      if (code) return code;
    }
    if (unwritten === undefined) return status.done;
    output.note(`the result could not be written: ${unwritten.message}`);
    return status.failed;
  } catch (error) {
    if (session.leftover === undefined)
      return session.interrupted.aborted ? reportStopped(running!, output, undefined) : report(error, output);
    if (!session.interrupted.aborted) report(error, output);
    return report(session.leftover, output);
  } finally {
    release();
  }
}

const howToGoOn =
  "stopped. Run the same command again to continue where it stopped. " +
  "To clean up: ./ci-images destroy (keeps the images) or ./ci-images destroy --images";

/** @param code The exit status that the verb returned, if any. */
function reportStopped({ whenStopped = howToGoOn }: Verb, output: Output, code: number | void): number {
  output.note(whenStopped);
  return code || status.failed;
}

/**
 * Parses a command line.
 * @returns each verb with its operands and options.
 * @throws UsageError for invalid words, or CommanderError, which has already printed its message.
 */
export function readCalls(words: readonly string[]) {
  const shapes = verbs.map((verb) => ({
    name: verb.name,
    aliases: verb.aliases,
    operands: verb.operands?.length ?? 0,
    takesAllWords: verb.takesAllWords,
    takesValue: (option: string) => takesValue(commandFor(verb), option),
  }));
  const bare = addCommonOptions(new Command());
  return splitCommandLine(words, shapes, (option) => takesValue(bare, option)).map(({ verb: name, words: own }) => {
    const verb = findVerb(name)!;
    const command = commandFor(verb).parse(own, { from: "user" });
    return { verb, operands: command.args, options: command.opts<Call["options"]>() };
  });
}

function takesValue(command: Command, option: string): boolean {
  const found = command.options.find(({ long, short }) => long === option || short === option);
  return found !== undefined && (found.required || found.optional);
}

/** The commander command of a verb. */
function commandFor(verb: Verb): Command {
  const command = new Command(`ci-images ${verb.name}`).exitOverride().allowExcessArguments(false);
  for (const { name, what } of verb.operands ?? []) command.argument(name, what);
  for (const { flags, what } of verb.options ?? []) command.option(flags, what);
  if (verb.takesAllWords) command.passThroughOptions();
  addCommonOptions(command);
  command.helpInformation = () => helpOf(verb);
  return command;
}

function addCommonOptions(command: Command): Command {
  return command
    .option("--cloud <name>", "the cloud; creates its stack if there is none, and selects it")
    .option("--region <name>", "the region (zone) to bake in")
    .option("--distribution <names>", "the distributions to bake, separated by commas", distributions)
    .option("--stack <name>", "a stack by its name")
    .option("--verbose", "show every line of every step");
}

function distributions(text: string, before?: string[]): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("a distribution's name is empty.");
  return [...new Set([...(before ?? []), ...names])];
}

/**
 * The first Ctrl-C stops the running operation cleanly; the second one ends everything at once, pulumi first. A closed
 * terminal counts as one Ctrl-C, however often the kernel and the shell report it. A command that has to clean up goes
 * on until that is done.
 */
function stopOnInterrupt(session: Session, tell: () => void): () => void {
  const onSignal = () => {
    if (session.interrupted.aborted && !session.isCleaningUp)
      return void endCommands().then(() => {
        if (!session.mustCleanUp) process.exit(status.failed);
      });
    tell();
    session.interrupt();
  };
  const onHangUp = () => session.interrupt();
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("SIGHUP", onHangUp);
  return () => process.off("SIGINT", onSignal).off("SIGTERM", onSignal).off("SIGHUP", onHangUp);
}

/** Whether nobody reads our output any more: the pipe or the terminal was closed. */
function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPIPE" || code === "EIO";
}

function report(error: unknown, output: Output): number {
  if (error instanceof UsageError) {
    output.note(`ci-images: ${error.message}`);
    return status.wrongUsage;
  }
  const failure = error as Error & { words?: string[]; wasReported?: boolean };
  if (failure.wasReported) {
    output.note(`pulumi ${failure.words![0]} failed; the cause is above`);
  } else if (error instanceof UserError || error instanceof ToolProblem || failure.name === "PulumiFailure") {
    output.note(failure.message);
  } else {
    output.note(failure.stack ?? String(error));
  }
  return status.failed;
}
