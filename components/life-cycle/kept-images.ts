// Images that are there already: how one is declared again, and the stage `none`, at which a stack has its images and no builder.
// What is kept is found by the state and the cloud alone, so that a builder can be dropped whatever has become of the recipe.
import * as pulumi from "@pulumi/pulumi";
import { distributions } from "../../provision/distributions.ts";
import { withoutDetails, type PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Cloud, Distributed, Generation, ImageIdentity, Survey } from "../cloud.ts";
import type { StackState } from "./stack-state.ts";

/** The component of one image, baked or kept: part of the URN of everything that is declared for it. */
export const workerImageType = "ci-images:index:WorkerImage";

/** Whose images are kept. */
export interface Keeping {
  cloud: Cloud;
  distribution: Distribution;
  /** What the cloud has of this stack and distribution. */
  survey: Survey;
}

/** What recipe hashes were made of, by recipe hash. */
export type Plans = Readonly<Record<string, PlanDescription>>;

/** One image of a stack at stage `none`, with its earlier generations. */
export class KeptImages extends pulumi.ComponentResource {
  /** As of {@link WorkerImage}. */
  readonly images: Distributed;

  /** @param name That of the worker image. */
  constructor(name: string, keeping: Keeping, options?: pulumi.ComponentResourceOptions) {
    // The inputs that the image has had while it was the newest: a preview shows no change of it.
    const plan = newest(keeping)?.plan;
    super(workerImageType, name, plan ? withoutDetails(plan) : {}, options);
    this.images = keepProven(name, keeping, this);
    this.registerOutputs({ images: this.images });
  }
}

/** The worker images that the state knows, by their names, each with its place and distribution. */
export function knownWorkers(clouds: readonly Cloud[], state: StackState) {
  const all = clouds.flatMap((cloud) =>
    distributions.map((distribution) => ({ cloud, distribution, name: workerName(clouds, cloud, distribution) })),
  );
  return all.filter(({ name }) => state.has(workerImageType, name));
}

/** `debian12`, or `ORD-debian12` where the stack has several places. */
export function workerName(clouds: readonly Cloud[], { place }: Cloud, { id }: Distribution): string {
  return clouds.length > 1 ? `${place}-${id}` : id;
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
export function keepUnproven(worker: string, { cloud, distribution, survey }: Keeping, parent: pulumi.Resource): void {
  for (const generation of survey.generations.filter(({ proven }) => !proven)) {
    cloud.declareGeneration(identityOf(worker, generation, distribution, parent), generation);
  }
}

/** A proven image that is there already, with its copies and all. */
export function declarePresent(
  worker: string,
  generation: Generation,
  { cloud, distribution }: Keeping,
  parent: pulumi.Resource,
): Distributed {
  const identity = identityOf(worker, generation, distribution, parent);
  return cloud.declareDistribution(identity, cloud.declareGeneration(identity, generation), []);
}

/** What begins the logical names of everything that is declared for an image. */
export function prefixOf(worker: string, recipe: string): string {
  return `${worker}-${recipe.slice(0, 8)}`;
}

function newest({ survey }: Keeping): Generation | undefined {
  return survey.generations.find(({ proven }) => proven);
}

function identityOf(
  worker: string,
  { name, recipe }: Generation,
  distribution: Distribution,
  parent: pulumi.Resource,
): ImageIdentity {
  return { name, distribution, recipe, prefix: prefixOf(worker, recipe), parent };
}
