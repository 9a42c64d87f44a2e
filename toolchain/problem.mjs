// The tools' error class for people. The program has UserError (common/user-error.ts); but the tools must run before
// any npm package is installed, and thus before TypeScript can be loaded, so this is the same in plain JavaScript.

/** A problem that the reader can solve: the message says what is wrong and what to do, without a stack trace. */
export class ToolProblem extends Error {
  /**
   * @param {string} problem What is wrong, and where.
   * @param {string} [cure] What to do about it: a command to run or an edit to make.
   */
  constructor(problem, cure) {
    super(cure === undefined ? problem : `${problem}\n  cure: ${cure}`);
    this.name = "ToolProblem";
    this.stack = this.message;
  }
}

/**
 * Runs a tool's main function; a ToolProblem ends the process with its message and exit status 1, anything else is a
 * bug and keeps its stack trace.
 * @param {() => Promise<void> | void} main
 */
export async function runTool(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof ToolProblem)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
