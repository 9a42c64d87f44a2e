// The tools' error class for users. They can't use UserError (common/user-error.ts): setup runs before any npm package
// is installed, so it can't load TypeScript.

/** A problem that the user can solve. The message says what is wrong and what to do; there is no stack trace. */
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
 * Runs a tool's main function. A ToolProblem ends the process with its message and exit status 1; any other error is a
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
