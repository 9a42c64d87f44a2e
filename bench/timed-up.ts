// Measures a `pulumi up`: the total time, the steps, and when the first command ran on the builder.
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { eventLogEnvironment, followSteps, type Step } from "../scripts/step-times.mjs";
import type { TemporaryStack } from "../cli/temporary-stack.ts";
import type { Row } from "./table.ts";

/** A `pulumi up` that succeeded. All times are in seconds since the command was started. */
export interface TimedUp {
  /** Its total duration. */
  took: number;
  /** When the first command ran on the builder, whose clock is this computer's; see {@link mark}. */
  firstCommand?: number;
  /** The steps that changed something. */
  steps: Step[];
}

/** A command for the module `run`, which must come first in the recipe: prints the time for `firstCommand`. */
export const mark = 'echo "bench: here at $(date +%s.%N)"';

/** The environment that timed stacks need. */
export const timingVariables = eventLogEnvironment;

/** Runs `pulumi up`. @throws Error with its output when it fails. */
export async function timedUp(stack: TemporaryStack): Promise<TimedUp> {
  const log = join(stack.directory, `events-${Date.now()}`);
  const [wallClock, start] = [Date.now() / 1000, performance.now() / 1000];
  const running = stack.succeed("up", "--yes", "--skip-preview", "--event-log", log);
  const [steps, { output, took }] = await Promise.all([followSteps(log, running), running]);
  const here = /bench: here at (\d+\.\d+)/.exec(output)?.[1];
  return {
    took,
    firstCommand: here === undefined ? undefined : Number(here) - wallClock,
    steps: steps.map((step) => ({ ...step, began: step.began - start })),
  };
}

/** The steps whose logical name, without distribution and recipe, is `name`: `tests`, `trial-verify`. */
export function find(steps: readonly Step[], name: string): Step {
  const found = steps.find((step) => step.name.replace(/^[^-]+-[0-9a-f]{8}-?/, "") === name);
  if (!found) throw new Error(`no step ${name} among ${steps.map((step) => step.name).join(", ")}`);
  return found;
}

/** When a step ended. */
export function endOf({ began, seconds }: Step): number {
  return began + seconds;
}

/** The number of seconds during which at least one of these steps was running. */
export function union(steps: readonly Step[]): number {
  let [total, until] = [0, 0];
  for (const step of [...steps].sort((one, other) => one.began - other.began)) {
    total += Math.max(0, endOf(step) - Math.max(until, step.began));
    until = Math.max(until, endOf(step));
  }
  return total;
}

/** The steps of the verification boot: the machine until it answers by SSH, and its checks. */
export function verificationOf(steps: readonly Step[]): [Step, Step] {
  return [find(steps, "trial"), find(steps, "trial-verify")];
}

/** Seconds that the verification boot may take, on emulated hardware with two processors. */
const verificationTarget = 35;

/** How long the verification boot took, in total and by step. */
export function verificationRows(steps: readonly Step[]): Row[] {
  const [boot, checks] = verificationOf(steps);
  return [
    {
      what: "of it: the verification boot and its checks",
      seconds: union([boot, checks]),
      against: { what: "target", seconds: verificationTarget },
    },
    { what: "— until it answers by SSH", seconds: boot.seconds },
    { what: "— the end of its boot, and the checks", seconds: checks.seconds },
  ];
}
