// What the component of a worker image has in the state: a line or two, because a preview prints it.
import type * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";

/** The type of the component of one image, baked or kept: part of the URN of everything that is declared for it. */
export const workerImageType = "ci-images:index:WorkerImage";

/** Its inputs. Why an image is baked is said in messages, in words (explanation.ts). */
export function workerInputs({ name, recipe, distribution }: PlanDescription): Record<string, string> {
  return { name, recipe, distribution };
}

/** Inputs of older versions, pages of hashes: a state that has them needs no change for it. */
const formerInputs = ["base", "formats", "modules", "seal", "size", "tests"];

/** The component's options. */
export function workerOptions(options: pulumi.ComponentResourceOptions = {}): pulumi.ComponentResourceOptions {
  return { ...options, ignoreChanges: formerInputs };
}

/** What the next `pulumi up` needs to know about it. */
export interface WorkerNotes {
  /** The recipe's name. */
  recipeName: string;
  /** The key of its images in the stack's outputs, below the place; missing if they are not in them. */
  outputKey?: string;
}
