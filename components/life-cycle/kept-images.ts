// Images that are there already: how one is declared again, and the stage `none`, at which a stack has its images and no builder.
// What is kept is found by the state and the cloud alone, so that a builder can be dropped whatever has become of the recipe.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Cloud, Distributed, Generation, ImageIdentity, Survey } from "../cloud.ts";
import { workerImageType } from "./stack-state.ts";
import { workerInputs, workerOptions, type WorkerNotes } from "./worker-inputs.ts";
import { prefixOf } from "./worker-names.ts";

/** Whose images are kept. */
export interface Keeping {
  cloud: Cloud;
  distribution: Distribution;
  /** What the cloud has of this stack and distribution. */
  survey: Survey;
  /** As of {@link ImageIdentity}. */
  label?: string;
}

/** What recipe hashes were made of, by recipe hash. */
export type Plans = Readonly<Record<string, PlanDescription>>;

/** One image of a stack at stage `none`, with its earlier generations. */
export class KeptImages extends pulumi.ComponentResource {
  /** As of {@link WorkerImage}. */
  readonly images: Distributed;

  /**
   * @param name That of the worker image.
   * @param notes What the state is to remember of it.
   */
  constructor(name: string, keeping: Keeping, notes: WorkerNotes, options?: pulumi.ComponentResourceOptions) {
    // The inputs that the image has had while it was the newest: a preview shows no change of it.
    const plan = newest(keeping)?.plan;
    super(workerImageType, name, plan ? workerInputs(plan) : {}, workerOptions(options));
    this.images = keepProven(name, keeping, this);
    this.registerOutputs({ images: this.images, ...notes });
  }
}

/** Adds what the stack remembers of recipe hashes: it has details that images in a cloud have no room for. */
export function withPlans(survey: Survey, before: Plans): Survey {
  const generations = survey.generations.map((each) => ({ ...each, plan: before[each.recipe] ?? each.plan }));
  return { ...survey, generations };
}

/** The proven images that stay when there are too many: the newest. @param count How many. */
export function keepNewest(survey: Survey, count: number): Survey {
  return { ...survey, generations: survey.generations.filter(({ proven }) => proven).slice(0, count) };
}

/** Every proven image stays declared. @returns where the newest one is. */
export function keepProven(worker: string, keeping: Keeping, parent: pulumi.Resource): Distributed {
  const proven = keeping.survey.generations.filter((generation) => generation.proven);
  return proven.map((generation) => declarePresent(worker, generation, keeping, parent))[0] ?? {};
}

/** Images that were made and not verified yet stay declared as long as their builder may be there. */
export function keepUnproven(worker: string, keeping: Keeping, parent: pulumi.Resource): void {
  const { cloud, survey } = keeping;
  for (const generation of survey.generations.filter(({ proven }) => !proven)) {
    cloud.declareGeneration(identityOf(worker, generation, keeping, parent), generation);
  }
}

/** A proven image that is there already, with its copies and all. */
export function declarePresent(
  worker: string,
  generation: Generation,
  keeping: Keeping,
  parent: pulumi.Resource,
): Distributed {
  const { cloud } = keeping;
  const identity = identityOf(worker, generation, keeping, parent);
  return cloud.declareDistribution(identity, cloud.declareGeneration(identity, generation), []);
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
