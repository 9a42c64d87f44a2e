// Declares existing images, also at stage `none`, where a stack has only images and no builder. The images are found
// without reading recipes, so that a builder can be dropped even if its recipe is broken.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Distributed, Generation, ImageIdentity, Place, Survey } from "../cloud.ts";
import { workerImageType, workerInputs, workerOptions, type WorkerNotes } from "./worker-inputs.ts";
import { prefixOf } from "./worker-names.ts";

/** The images to keep. */
export interface Keeping {
  place: Place;
  distribution: Distribution;
  /** The place's images and builders of this stack and distribution. */
  survey: Survey;
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
    // The same inputs as when the newest image was baked, so that a preview shows no change.
    const plan = newest(keeping)?.plan;
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

/** Reduces a survey to the newest proven images. @param count How many to keep. */
export function keepNewest(survey: Survey, count: number): Survey {
  return { ...survey, generations: survey.generations.filter(({ proven }) => proven).slice(0, count) };
}

/** Declares all proven images again. @returns the outputs of the newest one. */
export function keepProven(worker: string, keeping: Keeping, parent: pulumi.Resource): Distributed {
  const proven = keeping.survey.generations.filter((generation) => generation.proven);
  return proven.map((generation) => declarePresent(worker, generation, keeping, parent))[0] ?? {};
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

function newest({ survey }: Keeping): Generation | undefined {
  return survey.generations.find(({ proven }) => proven);
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
