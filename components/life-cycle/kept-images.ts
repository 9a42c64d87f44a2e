// Declares existing images, also at stage `none`, where a stack has only images and no builder. The images are found
// without reading recipes, so that a builder can be dropped even if its recipe is broken.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Distributed, Generation, ImageIdentity, Place, Survey } from "../cloud.ts";
import type { StackState } from "./stack-state.ts";
import { workerImageType, workerInputs, workerOptions, type WorkerNotes } from "./worker-inputs.ts";
import { prefixOf } from "./worker-names.ts";

/** The images to keep. */
export interface Keeping {
  place: Place;
  distribution: Distribution;
  /** The place's images and builders of this stack and distribution. */
  survey: Survey;
  /** From {@link findPublished}. */
  published?: Generation;
  /** See {@link ImageIdentity}. */
  label?: string;
}

/** Plans, by recipe hash. */
export type Plans = Readonly<Record<string, PlanDescription>>;

/** One image of a stack at stage `none`, with its earlier generations. */
export class KeptImages extends pulumi.ComponentResource {
  /** See {@link WorkerImage}. */
  readonly images: Distributed;
  /** See {@link WorkerImage}. */
  readonly proven: pulumi.Resource[] = [];
  readonly builder: undefined;

  /**
   * @param name The worker image's name.
   * @param notes What to record in the state.
   */
  constructor(name: string, keeping: Keeping, notes: WorkerNotes, options?: pulumi.ComponentResourceOptions) {
    // The same inputs as when the image was published, so that a preview shows no change.
    const plan = keeping.published?.plan;
    super(workerImageType, name, plan ? workerInputs(plan) : {}, workerOptions(options));
    this.images = keepProven(name, keeping, this);
    this.registerOutputs({ images: this.images, ...notes });
  }
}

/** Adds the plans that the stack has recorded, because images in a cloud have no room for all details. */
export function withPlans(survey: Survey, before: Plans): Survey {
  const generations = survey.generations.map((each) => ({ ...each, plan: before[each.recipe] ?? each.plan }));
  return { ...survey, generations };
}

/**
 * Sorts proven images in the order in which they are worth keeping: the published one is the way back, even if a later
 * one was proven.
 * @param proven Newest first.
 * @param published From {@link findPublished}.
 */
export function byWorth(proven: readonly Generation[], published: Generation | undefined): Generation[] {
  return [...proven.filter((each) => each === published), ...proven.filter((each) => each !== published)];
}

/** Reduces a survey to the proven images that are most worth keeping. @param count How many to keep. */
export function keepWorthiest(survey: Survey, count: number, published?: Generation): Survey {
  const proven = survey.generations.filter((each) => each.proven);
  const kept = byWorth(proven, published).slice(0, count);
  return { ...survey, generations: proven.filter((each) => kept.includes(each)) };
}

/**
 * Finds the image that the stack's outputs name: not the newest one if the stack went back to an earlier recipe.
 * @param name The worker image's name.
 * @param survey The images of this worker image.
 * @returns the newest proven image if the outputs name none of them.
 */
export function findPublished(name: string, place: Place, survey: Survey, state: StackState): Generation | undefined {
  const proven = survey.generations.filter((generation) => generation.proven);
  const recorded = state.outputsOf(workerImageType, name)?.images as Record<string, { recipe: string }> | undefined;
  const own = recorded?.[place.place ?? place.name];
  // While a bake is under way, and after it failed, the engine has no outputs of the worker image.
  const named = own ? [own] : Object.values(state.publishedIn(place.outputName, place.place));
  return proven.find(({ recipe }) => named.some((image) => image.recipe === recipe)) ?? proven[0];
}

/** Declares all proven images again. @returns the outputs of the published one. */
export function keepProven(worker: string, keeping: Keeping, parent: pulumi.Resource): Distributed {
  const proven = keeping.survey.generations.filter((generation) => generation.proven);
  const declared = proven.map((each) => [each, declarePresent(worker, each, keeping, parent)] as const);
  return declared.find(([generation]) => generation === keeping.published)?.[1] ?? {};
}

/** Declares unverified images again, because their builders may still exist. */
export function keepUnproven(worker: string, keeping: Keeping, parent: pulumi.Resource): void {
  const { place, survey } = keeping;
  for (const generation of survey.generations.filter(({ proven }) => !proven)) {
    place.declareGeneration(identityOf(worker, generation, keeping, parent), generation);
  }
}

/** Declares an existing proven image, including its copies. */
export function declarePresent(
  worker: string,
  generation: Generation,
  keeping: Keeping,
  parent: pulumi.Resource,
): Distributed {
  const { place } = keeping;
  const identity = identityOf(worker, generation, keeping, parent);
  return place.declareDistribution(identity, place.declareGeneration(identity, generation), []);
}

function identityOf(
  worker: string,
  { name, recipe }: Generation,
  { distribution, label }: Keeping,
  parent: pulumi.Resource,
): ImageIdentity {
  const identity = { name, distribution, recipe, prefix: prefixOf(worker, recipe), parent };
  return label === undefined ? identity : { ...identity, worker: label };
}
