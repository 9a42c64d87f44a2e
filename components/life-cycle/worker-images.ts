// Declares one WorkerImage for each recipe, place and distribution, from the stack's settings.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { distributions, findDistribution } from "../../provision/distributions.ts";
import { describePlan, type PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import { formatSize } from "../../common/sizes.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import { sealVersion } from "../../provision/seal/seal.ts";
import { readSecrets, type Secrets } from "../../provision/recipe/secrets.ts";
import type { Bakery, Base, Cloud, Survey, Tier } from "../cloud.ts";
import { openBakery, openClouds } from "../open-clouds.ts";
import { findCloud } from "../clouds.ts";
import { Once } from "../shared/once.ts";
import { explainBake } from "./explanation.ts";
import { isFleet, readFleet, type Member } from "./fleet.ts";
import { KeptImages, withPlans, type Keeping, type Plans } from "./kept-images.ts";
import {
  declareBake,
  explainImport,
  isBakedHere,
  localName,
  type DeclaredBake,
  type LocalBake,
} from "./local-bakes.ts";
import { outputKey, stackOutputs, type Published, type StackOutputs } from "./outputs.ts";
import type { Settings } from "../stack-settings.ts";
import { hasImage, refusePowerOff, stageOf } from "./stage-steps.ts";
import type { BakeStage, Power } from "../stages.ts";
import { readState, workerImageType, type StackState } from "./stack-state.ts";
import { loadTransforms, transformation } from "./transforms.ts";
import { WorkerImage } from "./worker-image.ts";
import type { WorkerNotes } from "./worker-inputs.ts";
import { plainName, WorkerNames } from "./worker-names.ts";

/** An image to be declared, with all that was looked up for it. */
interface Prepared {
  cloud: Cloud;
  /** The component's name; see worker-names.ts. */
  name: string;
  /** As of {@link WorkerImage}. */
  label?: string;
  outputKey?: string;
  plan: Plan;
  base: Base;
  survey: Survey;
  /** The last stage of the bake. */
  stage: BakeStage;
  /** How many of its modules a layer saves. */
  fromLayer?: number;
  power: Power;
  /** How many generations to keep besides the newest. */
  keep: number;
  /** The bake on this computer that the image is imported from. */
  bake?: LocalBake;
  /** The image that it builds on. */
  below?: Prepared;
  /** As of {@link WorkerImage}. */
  description?: PlanDescription;
}

/**
 * Declares the images of the stack.
 * @param projectDirectory The base of relative paths in the settings.
 * @returns the stack's outputs.
 * @throws UserError with everything that is wrong with the settings or the recipes, before anything is declared.
 */
export async function bakeAll(settings: Settings, projectDirectory: string): Promise<StackOutputs> {
  const state = await readState();
  const once = new Once();
  const open = (own: Settings) => openClouds(own, projectDirectory, state, once);
  const clouds = await open(settings);
  const bakery = await openBakery(settings, projectDirectory, state, once);
  if (bakery && clouds.some((cloud) => !cloud.declareImport)) {
    const where = `Pulumi.${pulumi.getStack()}.yaml`;
    const found = `local, but images can't be imported into ${settings.cloud} yet`;
    throw new UserError({ where, key: "ci-images:bakery", found, cure: "remove it: the image is baked in the cloud" });
  }
  const transforms = transformation(await loadTransforms(settings.transforms, projectDirectory));
  const { stage } = settings;
  if (stage === "none") return await keepAll(clouds, bakery, state, [transforms]);
  const secrets = readSecrets(settings.secrets, process.env);
  const { image } = settings;
  const prepared =
    bakery && image !== undefined
      ? await preparePublished(clouds, bakery, image, state, settings.keep)
      : await new Preparation(await readFleet(settings, projectDirectory), {
          ...{ settings, stage, secrets, state, open },
          openBakery: (own) => openBakery(own, projectDirectory, state, once),
        }).all();
  const common = { verify: settings.verify.enabled, secrets, state };
  const options = { transformations: [transforms] };
  const bakes = new Map<LocalBake, DeclaredBake>();
  for (const { bake, keep, power } of prepared) {
    if (bake && !bakes.has(bake)) bakes.set(bake, declareBake(bake, { ...common, keep, power }, options));
  }
  const workers = new Map<Prepared, WorkerImage>();
  const published = prepared.map((each): Published => {
    const { cloud, name, plan, base, survey, stage, bake, below, fromLayer, outputKey: key } = each;
    const source = bake && bakes.get(bake)?.source;
    const tier = below && tierOf(below, workers.get(below)!);
    const worker = new WorkerImage(name, { ...each, ...common, tier, source, isImported: bake !== undefined }, options);
    workers.set(each, worker);
    const lines = bake ? explainImport(name, bake, survey) : explainBake(name, plan, base, survey, stage, fromLayer);
    for (const line of lines) void pulumi.log.info(line, worker);
    return { cloud, name, ...(key !== undefined && { key }), images: worker.images, builder: worker.builder };
  });
  const baked = [...bakes].map(([{ bakery: cloud }, { name, builder }]): Published => ({ cloud, name, builder }));
  const planned = prepared.map(({ plan, base, description }) => description ?? describePlan(plan, base));
  return stackOutputs([...published, ...baked], plansToRemember(prepared, planned));
}

/** What an image builds on, once that is declared. */
function tierOf({ cloud }: Prepared, { images, proven }: WorkerImage): Tier {
  return { cloud, image: images[cloud.place ?? cloud.name], proven };
}

/** Stage `none`: declares only the existing images. Reads neither recipes nor secrets. */
async function keepAll(
  clouds: readonly Cloud[],
  bakery: Bakery | undefined,
  state: StackState,
  transformations: pulumi.ResourceTransformation[],
): Promise<StackOutputs> {
  /** The state's worker images of one distribution in one place. */
  const kept = async (cloud: Cloud, distribution: Distribution, plain: string) => {
    if (!state.namesOf(workerImageType).some((name) => name.startsWith(plain))) return [];
    const survey = withPlans(await cloud.survey(distribution), state.plans);
    const names = new WorkerNames(state, plain, [], survey.generations);
    return names.all.map((name) => {
      const noted = state.outputsOf(workerImageType, name)?.recipeName as string | undefined;
      const generations = names.generationsOf(name, noted ?? "", names.all.length === 1);
      const keeping = { cloud, distribution, survey: { ...survey, generations }, label: names.labelOf(name) };
      return { name, keeping, notes: notesOf(state, name, distribution, keeping) };
    });
  };
  const all = await Promise.all(
    distributions.flatMap((distribution) => [
      ...clouds.map((cloud) => kept(cloud, distribution, plainName(clouds, cloud, distribution))),
      ...(bakery ? [kept(bakery, distribution, localName(distribution))] : []),
    ]),
  );
  const workers = all.flat();
  const published = workers.map(({ name, keeping, notes }): Published => {
    const worker = new KeptImages(name, keeping, notes, { transformations });
    if (keeping.cloud === bakery) return { cloud: bakery, name };
    void pulumi.log.info(`${name}: stage none: no builder; the images stay`, worker);
    const { outputKey: key } = notes;
    return { cloud: keeping.cloud, name, ...(key !== undefined && { key }), images: worker.images };
  });
  const places = workers.map(({ keeping: { survey } }) => ({ survey }));
  return stackOutputs(published, plansToRemember(places));
}

/** The state's notes about a worker image; an older version noted nothing, and knew one recipe. */
function notesOf(state: StackState, name: string, { id }: Distribution, { survey }: Keeping): WorkerNotes {
  const noted = state.outputsOf(workerImageType, name) as Partial<WorkerNotes> | undefined;
  if (noted?.recipeName === undefined) return { recipeName: survey.generations[0]?.name ?? "", outputKey: id };
  const { recipeName, outputKey: key } = noted;
  return key === undefined ? { recipeName } : { recipeName, outputKey: key };
}

/** The plans of every image that stays (an earlier one may become the newest again), and of those to come. */
function plansToRemember(present: readonly { survey: Survey }[], planned: readonly PlanDescription[] = []): Plans {
  const plans = present.flatMap(({ survey }) => survey.generations.flatMap((generation) => generation.plan ?? []));
  return Object.fromEntries([...plans, ...planned].map((plan) => [plan.recipe, plan]));
}

/** What the preparation of every image needs. */
interface Surroundings {
  settings: Settings;
  stage: BakeStage;
  secrets: Secrets;
  state: StackState;
  /** Opens the clouds for a recipe's settings. */
  open: (settings: Settings) => Promise<Cloud[]>;
  openBakery: (settings: Settings) => Promise<Bakery | undefined>;
}

/** Looks up everything that determines what to declare, and refuses what can't succeed. */
class Preparation {
  private readonly where = `Pulumi.${pulumi.getStack()}.yaml`;
  private readonly prepared = new Map<Member, Promise<Prepared[]>>();
  private readonly recipes: readonly string[];

  constructor(
    private readonly members: readonly Member[],
    private readonly around: Surroundings,
  ) {
    this.recipes = members.map(({ recipe }) => recipe.name);
  }

  /** @returns every image after the one that it builds on. */
  async all(): Promise<Prepared[]> {
    for (const member of this.members) this.prepared.set(member, this.prepare(member));
    const attempts = await Promise.allSettled(this.prepared.values());
    return fulfilled(attempts).flat();
  }

  private async prepare(member: Member): Promise<Prepared[]> {
    const { open, openBakery } = this.around;
    const [clouds, bakery] = [await open(member.settings), await openBakery(member.settings)];
    const attempts = await Promise.allSettled(
      bakery
        ? member.distributions.map((distribution) => this.imports(member, clouds, bakery, distribution))
        : clouds.flatMap((cloud) =>
            member.distributions.map(async (distribution) => [await this.bake(member, clouds, cloud, distribution)]),
          ),
    );
    return fulfilled(attempts).flat();
  }

  private async bake(
    member: Member,
    clouds: readonly Cloud[],
    cloud: Cloud,
    distribution: Distribution,
  ): Promise<Prepared> {
    const plain = plainName(clouds, cloud, distribution);
    const planned = await this.plan(member, cloud, distribution, plain);
    const { plan, survey, hash: recipe } = planned;
    const question = { recipe, survey, stage: this.stageOf(member), power: this.powerOf(member) };
    refusePowerOff(planned.name, this.where, question);
    const stage = stageOf(question);
    const prepared = { ...planned, cloud, stage, power: question.power, keep: member.settings.keep };
    if (stage === "image" && isProven(survey, recipe)) return prepared;
    await cloud.preflight(plan, recipe, stage);
    return { ...prepared, fromLayer: await cloud.countFromLayer?.(plan, planned.base) };
  }

  /** One bake on this computer, and its import into every place of the stack. */
  private async imports(
    member: Member,
    clouds: readonly Cloud[],
    bakery: Bakery,
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
    const { plan, survey, base, hash: recipe } = planned;
    const places = await Promise.all(
      clouds.map(async (cloud) => {
        const { settings } = this.around;
        const plain = plainName(clouds, cloud, distribution);
        return { cloud, ...(await this.worker(member, cloud, distribution, plain)), keep: settings.keep };
      }),
    );
    const power = this.powerOf(member);
    const isNeeded = !places.every((each) => hasImage(each.survey, recipe));
    // A builder that is off doesn't matter if every place has the image.
    const known = isNeeded
      ? survey
      : { ...survey, generations: [...survey.generations, ...places[0].survey.generations] };
    const question = { recipe, survey: known, stage: this.stageOf(member), power };
    refusePowerOff(planned.name, this.where, question);
    const stage = stageOf(question);
    const { name, label } = planned;
    const bake: LocalBake = { name, label, bakery, distribution, plan, base, survey, stage, isNeeded };
    if (stage === "image" && isNeeded && !hasImage(survey, recipe))
      bake.elsewhere = await bakery.findBaked(distribution, recipe);
    if (isBakedHere(bake) && !(stage === "image" && isProven(survey, recipe))) {
      await bakery.preflight(plan, recipe, stage);
      bake.fromLayer = await bakery.countFromLayer?.(plan, base);
    }
    return Promise.all(
      places.map(async (place): Promise<Prepared> => {
        if (stage === "image" && !isProven(place.survey, recipe)) await place.cloud.preflight(plan, recipe, stage);
        return { ...place, plan, base, stage, power, bake, keep: member.settings.keep };
      }),
    );
  }

  /** The content of an image baked in `cloud`. */
  private async plan(member: Member, cloud: Cloud, distribution: Distribution, plain: string) {
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
      cloud.buildOn?.(distribution, below.cloud);
      const base = tierBase(member, plan, below);
      return { ...worker, plan, base, below, hash: plan.recipeHash(base.id) };
    }
    const newest = worker.survey.generations.find(({ proven }) => proven);
    const pinned = settings.base === "pinned" ? newest?.base : undefined;
    const base = await cloud.resolveBase(plan.base, distribution, pinned);
    return { ...worker, plan, base, hash: plan.recipeHash(base.id) };
  }

  /** The recipe's worker image, and the cloud's images of it. */
  private async worker(
    { recipe: { name: recipe }, isListed }: Member,
    cloud: Cloud,
    distribution: Distribution,
    plain: string,
  ) {
    const { settings, state } = this.around;
    const isOnly = isListed && !isFleet(settings);
    const all = withPlans(await cloud.survey(distribution), state.plans);
    const names = new WorkerNames(state, plain, this.recipes, all.generations);
    const name = names.nameOf(recipe, isOnly);
    const label = names.labelOf(name);
    const own = label === undefined ? all : await cloud.survey(distribution, label);
    const survey: Survey = { ...own, generations: names.generationsOf(name, recipe, isOnly) };
    const key = isListed ? outputKey(recipe, distribution.id, isFleet(settings)) : undefined;
    return { name, survey, ...(label !== undefined && { label }), ...(key !== undefined && { outputKey: key }) };
  }

  /** The image of the recipe below, in the same place. */
  private async below(base: Member, { place }: Cloud, { id }: Distribution): Promise<Prepared> {
    const found = (await this.prepared.get(base)!).find(
      (each) => each.cloud.place === place && each.plan.distribution.id === id,
    );
    if (!found) throw new Error(`${base.recipe.name} is not baked of ${id} in ${place}`);
    return found;
  }

  /** Others can only build on an image, so the builder of such a recipe does not stay. */
  private stageOf({ isBase }: Member): BakeStage {
    return isBase ? "image" : this.around.stage;
  }

  private powerOf({ isBase }: Member): Power {
    return isBase ? "on" : this.around.settings.power;
  }
}

/** One of the stack's own images as a base: identified by its recipe hash. */
function tierBase(member: Member, plan: Plan, { plan: below, base, cloud }: Prepared): Base {
  const description = describePlan(below, base);
  const { recipe, name } = description;
  const complaint = { where: member.recipe.file, key: "base.recipe" };
  if (plan.sizeBytes < below.sizeBytes) {
    const found = `${name} has a disk of ${description.size}, and this recipe one of ${formatSize(plan.sizeBytes)}`;
    throw new UserError({ ...complaint, found, allowed: "a disk of the same size or more" });
  }
  if (findCloud(cloud.name).isHere && !below.formats.includes("qcow2")) {
    const found = `${name}, which is written as ${below.formats.join(", ")}`;
    throw new UserError({ ...complaint, found, cure: "add qcow2 to its formats: that is what is built on" });
  }
  return { id: `recipe-${recipe}`, description: `${name}, recipe ${recipe.slice(0, 8)}`, plan: description };
}

/** @throws UserError with all reasons together; any other error is a bug, and takes precedence. */
function fulfilled<T>(attempts: readonly PromiseSettledResult<T>[]): T[] {
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as Error] : []));
  const bug = refused.find((error) => !(error instanceof UserError));
  if (bug) throw bug;
  // The same recipe is refused for the same reason on every distribution: report it once.
  const messages = [...new Set(refused.flatMap(({ message }) => message.split("\n")))];
  if (messages.length > 0) throw UserError.relayed(messages.join("\n"));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
}

function isProven({ generations }: Survey, recipe: string): boolean {
  return generations.some((generation) => generation.recipe === recipe && generation.proven);
}

/** An existing image (stack setting `image`), imported into every place of the stack. Reads no recipe. */
async function preparePublished(
  clouds: readonly Cloud[],
  bakery: Bakery,
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
  const workerOf = async (cloud: Cloud, plain: string) => {
    const all = withPlans(await cloud.survey(distribution), state.plans);
    const names = new WorkerNames(state, plain, [name], all.generations);
    const own = names.nameOf(name, true);
    const label = names.labelOf(own);
    const survey = { ...all, generations: names.generationsOf(own, name, true) };
    return { cloud, name: own, survey, ...(label !== undefined && { label }) };
  };
  const places = await Promise.all(clouds.map((cloud) => workerOf(cloud, plainName(clouds, cloud, distribution))));
  const local = await workerOf(bakery, localName(distribution));
  const isNeeded = !places.every(({ survey }) => hasImage(survey, recipe));
  const common = { plan, base, stage: "image" as const };
  const bake: LocalBake = { ...local, ...common, bakery, distribution, elsewhere: image, isNeeded };
  return Promise.all(
    places.map(async (place): Promise<Prepared> => {
      if (!isProven(place.survey, recipe)) await place.cloud.preflight(plan, recipe, "image");
      return { ...place, ...common, power: "on", keep, bake, description, outputKey: distribution.id };
    }),
  );
}
