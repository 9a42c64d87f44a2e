// Output of the command line. Results go to standard output, progress to standard error, so that `ci-images status
// --json | jq` and the like always work.

/** The output that verbs write to. */
export class Output {
  /**
   * @param isTerminal Whether a person watches standard error.
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
