// Existing images: how one is declared again, and stage `none`, at which a stack has its images and no builder. They
// are found by state and cloud alone, so that a builder can be dropped even if the recipe can't be read.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Distributed, Generation, ImageIdentity, Place, Survey } from "../cloud.ts";
import { workerImageType, workerInputs, workerOptions, type WorkerNotes } from "./worker-inputs.ts";
import { prefixOf } from "./worker-names.ts";

/** Whose images are kept. */
export interface Keeping {
  place: Place;
  distribution: Distribution;
  /** The place's images and builders of this stack and distribution. */
  survey: Survey;
  /** As of {@link ImageIdentity}. */
  label?: string;
}

/** What recipe hashes were made from, by recipe hash. */
export type Plans = Readonly<Record<string, PlanDescription>>;

/** One image of a stack at stage `none`, with its earlier generations. */
export class KeptImages extends pulumi.ComponentResource {
  /** As of {@link WorkerImage}. */
  readonly images: Distributed;
  /** As of {@link WorkerImage}: nothing is under way. */
  readonly proven: pulumi.Resource[] = [];
  readonly builder: undefined;

  /**
   * @param name The worker image's name.
   * @param notes What the state must record about it.
   */
  constructor(name: string, keeping: Keeping, notes: WorkerNotes, options?: pulumi.ComponentResourceOptions) {
    // The inputs that the image had while it was the newest, so that a preview shows no change.
    const plan = newest(keeping)?.plan;
    super(workerImageType, name, plan ? workerInputs(plan) : {}, workerOptions(options));
    this.images = keepProven(name, keeping, this);
    this.registerOutputs({ images: this.images, ...notes });
  }
}

/** Adds the stack's records of recipe hashes: they have details that images in a cloud have no room for. */
export function withPlans(survey: Survey, before: Plans): Survey {
  const generations = survey.generations.map((each) => ({ ...each, plan: before[each.recipe] ?? each.plan }));
  return { ...survey, generations };
}

/** The newest proven images, which stay if there are too many. @param count How many. */
export function keepNewest(survey: Survey, count: number): Survey {
  return { ...survey, generations: survey.generations.filter(({ proven }) => proven).slice(0, count) };
}

/** Keeps every proven image declared. @returns the places of the newest one. */
export function keepProven(worker: string, keeping: Keeping, parent: pulumi.Resource): Distributed {
  const proven = keeping.survey.generations.filter((generation) => generation.proven);
  return proven.map((generation) => declarePresent(worker, generation, keeping, parent))[0] ?? {};
}

/** Keeps unverified images declared as long as their builder may exist. */
export function keepUnproven(worker: string, keeping: Keeping, parent: pulumi.Resource): void {
  const { place, survey } = keeping;
  for (const generation of survey.generations.filter(({ proven }) => !proven)) {
    place.declareGeneration(identityOf(worker, generation, keeping, parent), generation);
  }
}

/** An existing proven image, including its copies. */
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
