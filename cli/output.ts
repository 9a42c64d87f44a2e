// Output of the command line: results go to standard output, progress goes to standard error. So
// `ci-images status --json | jq` always works.

/** The output that verbs write to. */
export class Output {
  /**
   * @param isTerminal Whether a person is watching the output.
   * @param verbose Whether every line of every step is shown.
   */
  constructor(
    readonly isTerminal: boolean,
    readonly verbose: boolean,
    private readonly out: NodeJS.WritableStream = process.stdout,
    private readonly err: NodeJS.WritableStream = process.stderr,
  ) {}

  /** A line of the result. */
  result(line = ""): void {
    this.out.write(`${line}\n`);
  }

  /** A line of progress. */
  note(line: string): void {
    this.err.write(`${line}\n`);
  }
}
