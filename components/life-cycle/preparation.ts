// Looks up everything that decides what a stack declares, and refuses bakes that can't succeed.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { findDistribution } from "../../provision/distributions.ts";
import { describePlan, type PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import { formatSize } from "../../common/sizes.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import { sealVersion } from "../../provision/seal/seal.ts";
import type { Secrets } from "../../provision/recipe/secrets.ts";
import type { Bakery, Base, Cloud, Generation, LocalBakery, Place, Survey } from "../cloud.ts";
import { findCloud } from "../clouds.ts";
import type { Opened } from "../open-clouds.ts";
import { isFleet, type Member } from "./fleet.ts";
import { findPublished, keepWorthiest, withPlans } from "./kept-images.ts";
import { outputKey } from "./outputs.ts";
import type { Settings } from "../stack-settings.ts";
import { hasImage, refusePowerOff, stageOf } from "./stage-steps.ts";
import type { BakeStage, Power } from "../stages.ts";
import type { StackState } from "./stack-state.ts";
import { localName, plainName, WorkerNames } from "./worker-names.ts";

/** A worker image in one place, with its existing images. */
interface Worker {
  place: Place;
  /** The component's name; see worker-names.ts. */
  name: string;
  /** See {@link WorkerImage}. */
  label?: string;
  /** The place's images of this recipe, and its builders. */
  survey: Survey;
  /** From {@link findPublished}. */
  published?: Generation;
}

/** A worker image with its plan. */
interface Planned extends Worker {
  plan: Plan;
  base: Base;
  /** The image that it builds on. */
  below?: Prepared;
}

/** A worker image to declare, with everything that was looked up for it. */
export interface Prepared extends Planned {
  /** Makes the image in this place. Undefined if it is imported from `origin`, or only existing images are kept. */
  bakery?: Bakery;
  /** The worker image on this computer from which it is imported. */
  origin?: Prepared;
  /** For a worker image on this computer: another finished image that is imported instead of its own. */
  elsewhere?: Generation;
  outputKey?: string;
  /** The last stage of the bake. */
  stage: BakeStage;
  /** How many of its modules come from a layer. */
  fromLayer?: number;
  power: Power;
  /** How many generations to keep besides the newest. */
  keep: number;
  /** See {@link WorkerImage}. */
  description?: PlanDescription;
}

/** What the preparations of all images share. */
interface Surroundings {
  settings: Settings;
  stage: BakeStage;
  secrets: Secrets;
  state: StackState;
  /** Opens the clouds for a recipe's settings. */
  open: (settings: Settings) => Promise<Opened>;
}

/** Prepares the images of a stack's recipes. */
export class Preparation {
  private readonly where = `Pulumi.${pulumi.getStack()}.yaml`;
  private readonly prepared = new Map<Member, Promise<Prepared[]>>();
  private readonly recipes: readonly string[];

  constructor(
    private readonly members: readonly Member[],
    private readonly around: Surroundings,
  ) {
    this.recipes = members.map(({ recipe }) => recipe.name);
  }

  /** @returns all images, each after the one that it builds on or is imported from. */
  async all(): Promise<Prepared[]> {
    for (const member of this.members) this.prepared.set(member, this.prepare(member));
    const attempts = await Promise.allSettled(this.prepared.values());
    return fulfilled(attempts).flat();
  }

  private async prepare(member: Member): Promise<Prepared[]> {
    const { clouds, bakery } = await this.around.open(member.settings);
    const attempts = await Promise.allSettled(
      bakery
        ? member.distributions.map((distribution) => this.imports(member, clouds, bakery, distribution))
        : clouds.flatMap((cloud) =>
            member.distributions.map(async (distribution) => [await this.bake(member, clouds, cloud, distribution)]),
          ),
    );
    return fulfilled(attempts).flat();
  }

  /** Prepares a bake in the place where the image stays. */
  private async bake(
    member: Member,
    clouds: readonly Cloud[],
    cloud: Cloud,
    distribution: Distribution,
  ): Promise<Prepared> {
    const planned = await this.plan(
      member,
      cloud,
      distribution,
      plainName(clouds, cloud, distribution, this.around.state),
    );
    const common = { stage: this.decideStage(member, planned), ...this.settingsOf(member) };
    return await ready({ ...planned, ...common, ...this.outputKey(member, distribution), bakery: cloud });
  }

  /** Prepares a bake on this computer, and the import into each place of the stack. */
  private async imports(
    member: Member,
    places: readonly Place[],
    bakery: LocalBakery,
    distribution: Distribution,
  ): Promise<Prepared[]> {
    if (member.base) {
      throw new UserError({
        where: member.recipe.file,
        key: "base.recipe",
        found: "with the stack setting ci-images:bakery: local",
        cure: "bake both recipes on a stack of `local`, and publish the image; or remove ci-images:bakery",
      });
    }
    const planned = await this.plan(member, bakery, distribution, localName(distribution));
    const { plan, base, survey } = planned;
    const workers = await Promise.all(
      places.map((place) =>
        this.worker(member, place, distribution, plainName(places, place, distribution, this.around.state)),
      ),
    );
    const recipe = plan.recipeHash(base.id);
    const isNeeded = !workers.every((worker) => hasImage(worker.survey, recipe));
    // A builder that is off doesn't matter if every place has the image.
    const generations = [planned, ...(isNeeded ? [] : workers)].flatMap((worker) => worker.survey.generations);
    const stage = this.decideStage(member, { ...planned, survey: { ...survey, generations } });
    const common = { plan, base, stage, ...this.settingsOf(member) };
    const isHere = stage !== "image" || hasImage(survey, recipe);
    const elsewhere = isNeeded && !isHere ? await bakery.findBaked(distribution, recipe) : undefined;
    const local = { ...planned, ...common };
    const origin = isHere || (isNeeded && !elsewhere) ? await ready({ ...local, bakery }) : onlyKept(local, elsewhere);
    const key = this.outputKey(member, distribution);
    return [origin, ...(await Promise.all(workers.map((worker) => ready({ ...worker, ...common, ...key, origin }))))];
  }

  /** Plans an image that a cloud bakes. @param plain From {@link plainName}. */
  private async plan(member: Member, cloud: Cloud, distribution: Distribution, plain: string): Promise<Planned> {
    const { recipe, settings } = member;
    const loginUser = cloud.loginUser?.(distribution);
    const { sizeBytes } = cloud;
    const plan = await planRecipe(recipe, distribution, {
      ...{ sealVersion, loginUser, sizeBytes },
      secrets: this.around.secrets,
    });
    const worker = await this.worker(member, cloud, distribution, plain);
    if (plan.base.kind === "recipe") {
      const below = await this.below(member.base!, cloud, distribution);
      cloud.buildOn?.(distribution, below.bakery!);
      return { ...worker, plan, base: tierBase(member, plan, below), below };
    }
    const newest = worker.survey.generations.find(({ proven }) => proven);
    const pinned = settings.base === "pinned" ? newest?.base : undefined;
    return { ...worker, plan, base: await cloud.resolveBase(plan.base, distribution, pinned) };
  }

  private worker({ recipe: { name }, isListed }: Member, place: Place, distribution: Distribution, plain: string) {
    const { settings, state } = this.around;
    const isOnly = isListed && !isFleet(settings);
    return findWorker({ place, distribution, plain, recipe: name, recipes: this.recipes, isOnly, state });
  }

  /** The image of the base recipe, in the same place. */
  private async below(base: Member, { place }: Place, { id }: Distribution): Promise<Prepared> {
    const found = (await this.prepared.get(base)!).find(
      (each) => each.place.place === place && each.plan.distribution.id === id,
    );
    if (!found) throw new Error(`${base.recipe.name} is not baked of ${id} in ${place}`);
    return found;
  }

  private decideStage(member: Member, { name, survey, plan, base }: Planned): BakeStage {
    // Other recipes can only build on a finished image.
    const stage = member.isBase ? "image" : this.around.stage;
    const { power } = this.settingsOf(member);
    const question = { recipe: plan.recipeHash(base.id), survey, stage, power };
    refusePowerOff(name, this.where, question);
    return stageOf(question);
  }

  private settingsOf({ isBase, settings: { keep } }: Member): Pick<Prepared, "power" | "keep"> {
    return { power: isBase ? "on" : this.around.settings.power, keep };
  }

  private outputKey({ recipe: { name }, isListed }: Member, { id }: Distribution): Pick<Prepared, "outputKey"> {
    return isListed ? { outputKey: outputKey(name, id, isFleet(this.around.settings)) } : {};
  }
}

/**
 * Prepares the import of an existing image (stack setting `image`) into every place of the stack. Reads no recipe.
 * @param location The image's folder.
 * @param keep How many generations to keep besides the newest.
 */
export async function prepareExisting(
  places: readonly Place[],
  bakery: LocalBakery,
  location: string,
  state: StackState,
  keep: number,
): Promise<Prepared[]> {
  const image = await bakery.describe(location);
  const { recipe, name, base, sizeBytes, plan: description } = image;
  const distribution = findDistribution(image.distribution, location);
  const { seal: sealVersion, formats } = description;
  const plan: Plan = {
    ...{ name, distribution, sizeBytes, sealVersion, formats: formats as Plan["formats"], modules: [], checks: [] },
    base: { kind: "mirror", distribution: distribution.id },
    recipeHash: () => recipe,
  };
  const find = (place: Place, plain: string) =>
    findWorker({ place, distribution, plain, recipe: name, recipes: [name], isOnly: true, state });
  const common = { plan, base, stage: "image", power: "on", keep, description } as const;
  const local = { ...(await find(bakery, localName(distribution))), ...common };
  const origin = hasImage(local.survey, recipe) ? await ready({ ...local, bakery }) : onlyKept(local, image);
  const imports = places.map(async (place) => {
    const worker = await find(place, plainName(places, place, distribution, state));
    return await ready({ ...worker, ...common, outputKey: distribution.id, origin });
  });
  return [origin, ...(await Promise.all(imports))];
}

/** Finds a worker image's name and its existing images. */
async function findWorker(asked: {
  place: Place;
  distribution: Distribution;
  /** From {@link plainName}. */
  plain: string;
  /** The recipe's name, and those of all recipes of the stack. */
  recipe: string;
  recipes: readonly string[];
  /** True when the stack lists this recipe and no other. */
  isOnly: boolean;
  state: StackState;
}): Promise<Worker> {
  const { place, distribution, plain, recipe, recipes, isOnly, state } = asked;
  const all = withPlans(await place.survey(distribution), state.plans);
  const names = new WorkerNames(state, plain, recipes, all.generations);
  const name = names.nameOf(recipe, isOnly);
  const label = names.labelOf(name);
  const own = label === undefined ? all : await place.survey(distribution, label);
  const survey: Survey = { ...own, generations: names.generationsOf(name, recipe, isOnly) };
  const published = findPublished(name, place, survey, state);
  return { place, name, survey, published, ...(label !== undefined && { label }) };
}

/** Refuses a bake that can't succeed, unless there is nothing to do. */
async function ready(prepared: Prepared): Promise<Prepared> {
  const { place, bakery, plan, base, survey, stage } = prepared;
  const recipe = plan.recipeHash(base.id);
  if (stage === "image" ? isProven(survey, recipe) : !bakery) return prepared;
  await place.preflight(plan, recipe, stage);
  return { ...prepared, fromLayer: await bakery?.countFromLayer?.(plan, base) };
}

/** This computer's worker image if nothing is baked here. @param elsewhere The image that is imported instead. */
function onlyKept(local: Prepared, elsewhere: Generation | undefined): Prepared {
  // The image from elsewhere counts as a generation.
  const survey = keepWorthiest(local.survey, local.keep + (elsewhere ? 0 : 1), local.published);
  const published = survey.generations.find((each) => each === local.published);
  return { ...local, elsewhere, survey, published };
}

/** The stack's own image as a base, identified by its recipe hash. */
function tierBase(member: Member, plan: Plan, { plan: below, base, place }: Prepared): Base {
  const description = describePlan(below, base);
  const { recipe, name } = description;
  const complaint = { where: member.recipe.file, key: "base.recipe" };
  if (plan.sizeBytes < below.sizeBytes) {
    const found = `${name} has a disk of ${description.size}, and this recipe one of ${formatSize(plan.sizeBytes)}`;
    throw new UserError({ ...complaint, found, allowed: "a disk of the same size or more" });
  }
  if (findCloud(place.name).isHere && !below.formats.includes("qcow2")) {
    const found = `${name}, which is written as ${below.formats.join(", ")}`;
    const list = member.base!.settings.formats
      ? "ci-images:formats, or to formats beside it in ci-images:recipes"
      : "its formats";
    throw new UserError({ ...complaint, found, cure: `add qcow2 to ${list}: that is what is built on` });
  }
  return { id: `recipe-${recipe}`, description: `${name}, recipe ${recipe.slice(0, 8)}`, plan: description };
}

/** The results of all attempts. @throws UserError with the reasons of all failures; other errors take precedence. */
function fulfilled<T>(attempts: readonly PromiseSettledResult<T>[]): T[] {
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as Error] : []));
  const bug = refused.find((error) => !(error instanceof UserError));
  if (bug) throw bug;
  // A mistake in a recipe is the same for every distribution: report it once.
  const messages = [...new Set(refused.flatMap(({ message }) => message.split("\n")))];
  if (messages.length > 0) throw UserError.relayed(messages.join("\n"));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
}

function isProven({ generations }: Survey, recipe: string): boolean {
  return generations.some((generation) => generation.recipe === recipe && generation.proven);
}
