// What the component of a worker image has in the state. This is kept short, because previews print it.
import type * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";

/** The component's type. It is part of the URN of everything that is declared for an image. */
export const workerImageType = "ci-images:index:WorkerImage";

/** Whether a type is that of an image, on any cloud. */
export function isImageType(type: string): boolean {
  return /:(Ami\w*|\w*Image)$/.test(type) && !["BaseImage", "WorkerImage"].includes(type.split(":").at(-1)!);
}

/** The component's inputs. Messages explain why an image is baked (explanation.ts). */
export function workerInputs({ name, recipe, distribution }: PlanDescription): Record<string, string> {
  return { name, recipe, distribution };
}

/** Inputs of older versions, which were pages of hashes. If a state has them, that is no change. */
const formerInputs = ["base", "formats", "modules", "seal", "size", "tests"];

/** The component's options. */
export function workerOptions(options: pulumi.ComponentResourceOptions = {}): pulumi.ComponentResourceOptions {
  return { ...options, ignoreChanges: formerInputs };
}

/** What the state records about a worker image for the next `pulumi up`. */
export interface WorkerNotes {
  /** The recipe's name. */
  recipeName: string;
  /** The key of its images in the stack's outputs, below the place; missing if they are not outputs. */
  outputKey?: string;
}
