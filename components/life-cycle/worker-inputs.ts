// What the component of a worker image has in the state: a line or two, because a preview prints it.
import type { PlanDescription } from "../../provision/plan/explain.ts";

/** Its inputs. Why an image is baked is said in messages, in words (explanation.ts). */
export function workerInputs({ name, recipe, distribution, base }: PlanDescription): Record<string, string> {
  return { name, recipe, distribution, base: base.description };
}

/** What the next `pulumi up` has to know of it. */
export interface WorkerNotes {
  /** The recipe's name. */
  recipeName: string;
  /** Where its images stand in the stack's outputs, below the place; missing when they are no outputs. */
  outputKey?: string;
}
