// Shows progress on a terminal: a live title with the number of steps done and left and the time, and below it one line
// for each running step, with its last line of output.
import { Listr, type DefaultRenderer, type ListrTaskWrapper, type SimpleRenderer } from "listr2";
import type { Output } from "../output.ts";
import { isCheck, label } from "./plain.ts";
import type { Ending, Reporter, Step, Steps } from "./steps.ts";

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

/** Shows a spinner while work without steps runs, and removes it afterwards. */
export async function whileWaiting<T>(title: string, work: () => Promise<T>): Promise<T> {
  let result: T;
  const task = { title, task: async () => void (result = await work()) };
  const rendererOptions = { clearOutput: true };
  await new Listr([task], { registerSignalListeners: false, rendererOptions }).run();
  return result!;
}

/** The live display. */
export class TerminalReporter implements Reporter {
  private readonly current = new Map<string, Step>();
  /** Lines to print below the live display when it ends. */
  private readonly kept: string[] = [];
  private readonly last = new Map<string, string[]>();
  private task: Task | undefined;
  private finish: () => void = () => {};
  private readonly drawn: Promise<unknown>;
  private readonly timer: NodeJS.Timeout;
  private readonly began = performance.now();
  private hasFailed = false;
  private isDrawing = false;

  /**
   * @param title The whole task: `provisioning`.
   * @param steps Returns the steps, which count how many are left.
   */
  constructor(
    private readonly title: string,
    private readonly output: Output,
    private readonly steps: () => Steps,
  ) {
    const over = new Promise<void>((resolve) => (this.finish = resolve));
    const list = new Listr(
      [
        {
          title,
          task: (_context, task) => {
            this.task = task;
            return over;
          },
        },
      ],
      { registerSignalListeners: false, rendererOptions: { clearOutput: false } },
    );
    // Starts a moment later, so that messages that are known already are printed above the live lines.
    this.drawn = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.isDrawing = true;
      return list.run();
    });
    this.timer = setInterval(() => this.draw(), 200);
  }

  begin(step: Step): void {
    this.current.set(step.urn, step);
  }

  line(step: Step, line: string): void {
    if (isCheck.test(line)) this.kept.push(`${label(step)} | ${line}`);
    this.last.set(step.urn, [...(this.last.get(step.urn) ?? []), line].slice(-20));
  }

  end(step: Step, seconds: number, how: Ending): void {
    this.current.delete(step.urn);
    if (how === "stopped") this.kept.push(`${label(step)} stopped (${seconds.toFixed(1)} s)`);
    if (how === "FAILED") {
      for (const line of this.last.get(step.urn) ?? [])
        if (!isCheck.test(line)) this.kept.push(`${label(step)} | ${line}`);
      this.kept.push(`${label(step)} FAILED (${seconds.toFixed(1)} s)`);
    }
    this.last.delete(step.urn);
  }

  message(text: string, severity: "info" | "warning" | "error"): void {
    this.hasFailed ||= severity === "error";
    const line = severity === "info" ? text : `${severity}: ${text}`;
    if (this.isDrawing) this.kept.push(line);
    else this.output.note(line);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.draw();
    if (this.task && this.hasFailed) this.task.title += ", FAILED";
    this.finish();
    await this.drawn;
    // The live display would overwrite lines that are printed while it runs.
    for (const line of this.kept) this.output.note(line);
  }

  private draw(): void {
    if (!this.task) return;
    const { done, left } = this.steps().count;
    const seconds = Math.round((performance.now() - this.began) / 1000);
    this.task.title = `${this.title}: ${done} done${left > 0 ? `, ${left} left` : ""}, ${seconds} s`;
    const rows = [...this.current.values()].map((step) => {
      const time = Math.round((performance.now() - step.began) / 1000);
      const line = this.last.get(step.urn)?.at(-1);
      return `${label(step)} (${time} s)${line === undefined ? "" : `: ${line}`}`.slice(
        0,
        (process.stderr.columns || 80) - 6,
      );
    });
    this.task.output = rows.join("\n");
  }
}
