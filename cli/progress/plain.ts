// Shows progress as plain lines, for logs and pipes: one when a step ends, and one when it begins if it takes more than
// a moment.
import type { Output } from "../output.ts";
import type { Ending, Reporter, Step, Steps } from "./steps.ts";

/** Step output that is always shown: the acceptance tests, one line per check. */
export const isCheck = /^(ok|not ok) - |^\d+ passed, \d+ failed$/;

/** Steps that take fewer milliseconds get one line instead of two. */
const moment = 1000;

export class PlainReporter implements Reporter {
  /** The timers that announce steps, by URN. */
  private readonly fresh = new Map<string, NodeJS.Timeout>();
  /** The last lines of each step, shown if it fails, by URN. */
  private readonly last = new Map<string, string[]>();

  /** @param steps Returns the steps, which count how many are left. */
  constructor(
    private readonly output: Output,
    private readonly steps: () => Steps,
  ) {}

  begin(step: Step): void {
    this.fresh.set(
      step.urn,
      setTimeout(() => this.announce(step), moment),
    );
  }

  private announce(step: Step): void {
    if (this.forget(step)) this.output.note(`${label(step)} ...`);
  }

  private forget({ urn }: Step): boolean {
    clearTimeout(this.fresh.get(urn));
    return this.fresh.delete(urn);
  }

  line(step: Step, line: string): void {
    if (this.output.verbose || isCheck.test(line)) {
      this.announce(step);
      this.output.note(`${label(step)} | ${line}`);
    } else this.last.set(step.urn, [...(this.last.get(step.urn) ?? []), line].slice(-20));
  }

  end(step: Step, seconds: number, how: Ending): void {
    this.forget(step);
    const { left } = this.steps().count;
    const rest = left > 0 ? `, ${left} left` : "";
    if (how === "FAILED")
      for (const line of this.last.get(step.urn) ?? []) this.output.note(`${label(step)} | ${line}`);
    this.output.note(`${label(step)} ${how} (${seconds.toFixed(1)} s${rest})`);
    this.last.delete(step.urn);
  }

  message(text: string, severity: "info" | "warning" | "error"): void {
    this.output.note(severity === "info" ? text : `${severity}: ${text}`);
  }

  async close(): Promise<void> {
    for (const timer of this.fresh.values()) clearTimeout(timer);
  }
}

/** A step's name, with its worker image: `debian12: nginx`. */
export function label({ worker, title }: Step): string {
  return worker === "" ? title : `${worker}: ${title}`;
}
