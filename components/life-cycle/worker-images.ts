// From the stack's settings to one WorkerImage for each distribution.
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { distributions, findDistribution } from "../../provision/distributions.ts";
import { describePlan, type PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import { planRecipe, type Plan } from "../../provision/plan/plan.ts";
import type { Recipe } from "../../provision/recipe/recipe.ts";
import { loadRecipe } from "../../provision/recipe/load-recipe.ts";
import { sealVersion } from "../../provision/seal/seal.ts";
import { readSecrets, type Secrets } from "../../provision/recipe/secrets.ts";
import type { Bakery, Base, Cloud, Survey } from "../cloud.ts";
import { openBakery, openClouds } from "../open-clouds.ts";
import { findCloud } from "../clouds.ts";
import { explainBake } from "./explanation.ts";
import { KeptImages, knownWorkers, withPlans, workerImageType, workerName, type Plans } from "./kept-images.ts";
import {
  declareBake,
  explainImport,
  isBakedHere,
  localName,
  type DeclaredBake,
  type LocalBake,
} from "./local-bakes.ts";
import { stackOutputs, type Published, type StackOutputs } from "./outputs.ts";
import type { Settings } from "../stack-settings.ts";
import { hasImage, refusePowerOff, stageOf } from "./stage-steps.ts";
import type { BakeStage } from "../stages.ts";
import { readState, StackState } from "./stack-state.ts";
import { loadTransforms, transformation } from "./transforms.ts";
import { WorkerImage } from "./worker-image.ts";

/** One image to be declared, with all that was looked up for it. */
interface Prepared {
  cloud: Cloud;
  /** The component's name: the distribution, after the place where there are several. */
  name: string;
  plan: Plan;
  base: Base;
  survey: Survey;
  /** How far the bake goes. */
  stage: BakeStage;
  /** How many of its modules a layer spares it. */
  fromLayer?: number;
  /** The bake on this computer that the image is imported from. */
  bake?: LocalBake;
  /** As of {@link WorkerImage}. */
  description?: PlanDescription;
}

/**
 * Declares the images of the stack.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @returns the stack's outputs.
 * @throws UserError with everything that is wrong with the settings or the recipe, before anything is declared.
 */
export async function bakeAll(settings: Settings, projectDirectory: string): Promise<StackOutputs> {
  // The images of this computer themselves tell everything, but not which steps a builder has behind it that stays.
  const isWhole = settings.stage === "image" && settings.power === "on";
  const state = findCloud(settings.cloud).isHere && isWhole ? new StackState() : await readState();
  const clouds = await openClouds(settings, projectDirectory, state);
  const bakery = await openBakery(settings, projectDirectory, state);
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
      ? await preparePublished(clouds, bakery, image, state.plans)
      : await prepareAll(
          clouds,
          bakery,
          await readRecipe(settings, projectDirectory),
          { ...settings, stage },
          secrets,
          state.plans,
        );
  const { keep, verify, power } = settings;
  const common = { keep, verify: verify.enabled, power, secrets, state };
  const options = { transformations: [transforms] };
  const bakes = new Map<LocalBake, DeclaredBake>();
  for (const { bake } of prepared) {
    if (bake && !bakes.has(bake)) bakes.set(bake, declareBake(bake, common, options));
  }
  const published = prepared.map((each): Published => {
    const { name, plan, base, survey, stage, bake, fromLayer } = each;
    const source = bake && bakes.get(bake)?.source;
    const worker = new WorkerImage(name, { ...each, ...common, source, isImported: bake !== undefined }, options);
    const lines = bake ? explainImport(name, bake, survey) : explainBake(name, plan, base, survey, stage, fromLayer);
    for (const line of lines) void pulumi.log.info(line, worker);
    return {
      cloud: each.cloud,
      name,
      distribution: plan.distribution.id,
      images: worker.images,
      builder: worker.builder,
    };
  });
  const baked = [...bakes].map(([{ bakery: cloud, distribution }, { name, builder }]): Published => {
    return { cloud, name, distribution: distribution.id, builder };
  });
  const planned = prepared.map(({ plan, base, description }) => description ?? describePlan(plan, base));
  return stackOutputs([...published, ...baked], plansToRemember(prepared, planned));
}

function readRecipe(settings: Settings, projectDirectory: string): Promise<Recipe> {
  return loadRecipe(resolve(projectDirectory, settings.recipe), {
    moduleFolders: settings.modules === undefined ? [] : [resolve(projectDirectory, settings.modules)],
    overrides: {
      ...(settings.size === undefined ? {} : { size: settings.size }),
      ...(settings.formats === undefined ? {} : { formats: settings.formats }),
    },
  });
}

/** Stage `none`: the images that there are, and nothing else. Neither the recipe nor the secrets are looked at. */
async function keepAll(
  clouds: readonly Cloud[],
  bakery: Bakery | undefined,
  state: StackState,
  transformations: pulumi.ResourceTransformation[],
): Promise<StackOutputs> {
  const workers = await Promise.all(
    knownWorkers(clouds, state).map(async (worker) => {
      return { ...worker, survey: withPlans(await worker.cloud.survey(worker.distribution), state.plans) };
    }),
  );
  for (const distribution of bakery ? distributions : []) {
    const name = localName(distribution);
    if (!state.has(workerImageType, name)) continue;
    const survey = await bakery!.survey(distribution);
    new KeptImages(name, { cloud: bakery!, distribution, survey }, { transformations });
  }
  const published = workers.map(({ name, ...keeping }): Published => {
    const worker = new KeptImages(name, keeping, { transformations });
    void pulumi.log.info(`${name}: stage none: no builder; the images stay`, worker);
    return { cloud: keeping.cloud, name, distribution: keeping.distribution.id, images: worker.images };
  });
  return stackOutputs(published, plansToRemember(workers));
}

/** Of every image that stays (earlier ones may become the newest again), and of those to come. */
function plansToRemember(present: readonly { survey: Survey }[], planned: readonly PlanDescription[] = []): Plans {
  const plans = present.flatMap(({ survey }) => survey.generations.flatMap((generation) => generation.plan ?? []));
  return Object.fromEntries([...plans, ...planned].map((plan) => [plan.recipe, plan]));
}

async function prepareAll(
  clouds: readonly Cloud[],
  bakery: Bakery | undefined,
  recipe: Recipe,
  settings: Settings & { stage: BakeStage },
  secrets: Secrets,
  before: Plans,
): Promise<Prepared[]> {
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  const wanted =
    settings.distributions?.map((id) => findDistribution(id, where, "ci-images:distributions")) ?? recipe.distributions;
  const preparation: Preparation = { where, recipe, settings, secrets, before };
  const attempts = await Promise.allSettled(
    bakery
      ? wanted.map((distribution) => prepareImports(clouds, bakery, distribution, preparation))
      : clouds.flatMap((cloud) =>
          wanted.map(async (distribution) => [await prepareBake(clouds, cloud, distribution, preparation)]),
        ),
  );
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as Error] : []));
  const bug = refused.find((error) => !(error instanceof UserError));
  if (bug) throw bug;
  // The same recipe is refused for the same reason on every distribution: say it once.
  const messages = [...new Set(refused.map(({ message }) => message))];
  if (messages.length > 0) throw UserError.relayed(messages.join("\n"));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? attempt.value : []));
}

/** What the preparation of every image needs. */
interface Preparation {
  /** The settings' file, for messages. */
  where: string;
  recipe: Recipe;
  settings: Settings & { stage: BakeStage };
  secrets: Secrets;
  before: Plans;
}

/** What the content of an image baked in `cloud` is. */
async function planOn(cloud: Cloud, distribution: Distribution, preparation: Preparation) {
  const { recipe, settings, secrets, before } = preparation;
  const loginUser = cloud.loginUser?.(distribution);
  const { sizeBytes } = cloud;
  const plan = await planRecipe(recipe, distribution, { sealVersion, secrets, loginUser, sizeBytes });
  const survey = withPlans(await cloud.survey(distribution), before);
  const newest = survey.generations.find(({ proven }) => proven);
  const pinned = settings.base === "pinned" ? newest?.base : undefined;
  const base = await cloud.resolveBase(plan.base, distribution, pinned);
  return { plan, survey, base, hash: plan.recipeHash(base.id) };
}

async function prepareBake(
  clouds: readonly Cloud[],
  cloud: Cloud,
  distribution: Distribution,
  preparation: Preparation,
): Promise<Prepared> {
  const { plan, survey, base, hash: recipe } = await planOn(cloud, distribution, preparation);
  const name = workerName(clouds, cloud, distribution);
  const { stage, power } = preparation.settings;
  const question = { recipe, survey, stage, power };
  refusePowerOff(name, preparation.where, question);
  const goal = stageOf(question);
  if (goal === "image" && isProven(survey, recipe)) return { cloud, name, plan, base, survey, stage: goal };
  await cloud.preflight(plan, recipe, goal);
  const fromLayer = await cloud.countFromLayer?.(plan, base);
  return { cloud, name, plan, base, survey, stage: goal, fromLayer };
}

/** One bake on this computer, and its import into every place of the stack. */
async function prepareImports(
  clouds: readonly Cloud[],
  bakery: Bakery,
  distribution: Distribution,
  preparation: Preparation,
): Promise<Prepared[]> {
  const { plan, survey, base, hash: recipe } = await planOn(bakery, distribution, preparation);
  const surveys = await Promise.all(
    clouds.map(async (cloud) => withPlans(await cloud.survey(distribution), preparation.before)),
  );
  const { power } = preparation.settings;
  const isNeeded = !surveys.every((each) => hasImage(each, recipe));
  // A builder that is off is of no account where every place has the image.
  const known = isNeeded ? survey : { ...survey, generations: [...survey.generations, ...surveys[0].generations] };
  const question = { recipe, survey: known, stage: preparation.settings.stage, power };
  refusePowerOff(localName(distribution), preparation.where, question);
  const stage = stageOf(question);
  const bake: LocalBake = { bakery, distribution, plan, base, survey, stage, isNeeded };
  if (stage === "image" && isNeeded && !hasImage(survey, recipe))
    bake.elsewhere = await bakery.findBaked(distribution, recipe);
  if (isBakedHere(bake) && !(stage === "image" && isProven(survey, recipe))) {
    await bakery.preflight(plan, recipe, stage);
    bake.fromLayer = await bakery.countFromLayer?.(plan, base);
  }
  return Promise.all(
    clouds.map(async (cloud, index): Promise<Prepared> => {
      const place = surveys[index];
      if (stage === "image" && !isProven(place, recipe)) await cloud.preflight(plan, recipe, stage);
      return { cloud, name: workerName(clouds, cloud, distribution), plan, base, survey: place, stage, bake };
    }),
  );
}

function isProven({ generations }: Survey, recipe: string): boolean {
  return generations.some((generation) => generation.recipe === recipe && generation.proven);
}

/** An image that is there already (stack setting `image`), imported into every place of the stack. No recipe is looked at. */
async function preparePublished(
  clouds: readonly Cloud[],
  bakery: Bakery,
  location: string,
  before: Plans,
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
  const surveys = await Promise.all(clouds.map(async (cloud) => withPlans(await cloud.survey(distribution), before)));
  const survey = await bakery.survey(distribution);
  const isNeeded = !surveys.every((each) => hasImage(each, recipe));
  const bake: LocalBake = { bakery, distribution, plan, base, survey, stage: "image", elsewhere: image, isNeeded };
  return Promise.all(
    clouds.map(async (cloud, index): Promise<Prepared> => {
      const place = surveys[index];
      if (!isProven(place, recipe)) await cloud.preflight(plan, recipe, "image");
      const common = { plan, base, stage: "image" as const, bake, description };
      return { ...common, cloud, name: workerName(clouds, cloud, distribution), survey: place };
    }),
  );
}
