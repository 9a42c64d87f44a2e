// From the stack's settings to one WorkerImage for each distribution.
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../common/user-error.ts";
import { findDistribution } from "../provision/distributions.ts";
import { describePlan, type PlanDescription } from "../provision/explain.ts";
import { planRecipe, type Plan } from "../provision/plan.ts";
import { loadRecipe, type Recipe } from "../provision/recipe.ts";
import { sealVersion } from "../provision/seal/seal.ts";
import { readSecrets, type Secrets } from "../provision/secrets.ts";
import type { Base, Cloud, Survey } from "./cloud.ts";
import { openClouds } from "./clouds.ts";
import { explainBake } from "./explanation.ts";
import { KeptImages, knownWorkers, withPlans, workerName, type Plans } from "./kept-images.ts";
import { stackOutputs, type Published, type StackOutputs } from "./outputs.ts";
import type { Settings } from "./settings.ts";
import { refusePowerOff, stageOf, type BakeStage } from "./stages.ts";
import { readState, StackState } from "./state.ts";
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
}

/**
 * Declares the images of the stack.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @returns the stack's outputs.
 * @throws UserError with everything that is wrong with the settings or the recipe, before anything is declared.
 */
export async function bakeAll(settings: Settings, projectDirectory: string): Promise<StackOutputs> {
  // On `local` the images themselves tell everything, but not which steps a builder has behind it that stays.
  const isWhole = settings.stage === "image" && settings.power === "on";
  const state = settings.cloud === "local" && isWhole ? new StackState() : await readState();
  const clouds = await openClouds(settings, projectDirectory, state);
  const transforms = transformation(await loadTransforms(settings.transforms, projectDirectory));
  const { stage } = settings;
  if (stage === "none") return await keepAll(clouds, state, [transforms]);
  const secrets = readSecrets(settings.secrets, process.env);
  const recipe = await loadRecipe(resolve(projectDirectory, settings.recipe), {
    moduleFolders: settings.modules === undefined ? [] : [resolve(projectDirectory, settings.modules)],
    overrides: {
      ...(settings.size === undefined ? {} : { size: settings.size }),
      ...(settings.formats === undefined ? {} : { formats: settings.formats }),
    },
  });
  const prepared = await prepareAll(clouds, recipe, { ...settings, stage }, secrets, state.plans);
  const published = prepared.map((each): Published => {
    const { name, plan, base, survey, stage } = each;
    const { keep, verify, power } = settings;
    const args = { ...each, keep, verify: verify.enabled, power, secrets, state };
    const worker = new WorkerImage(name, args, { transformations: [transforms] });
    for (const line of explainBake(name, plan, base, survey, stage)) void pulumi.log.info(line, worker);
    return {
      cloud: each.cloud,
      name,
      distribution: plan.distribution.id,
      images: worker.images,
      builder: worker.builder,
    };
  });
  const planned = prepared.map(({ plan, base }) => describePlan(plan, base));
  return stackOutputs(published, plansToRemember(prepared, planned));
}

/** Stage `none`: the images that there are, and nothing else. Neither the recipe nor the secrets are looked at. */
async function keepAll(
  clouds: readonly Cloud[],
  state: StackState,
  transformations: pulumi.ResourceTransformation[],
): Promise<StackOutputs> {
  const workers = await Promise.all(
    knownWorkers(clouds, state).map(async (worker) => {
      return { ...worker, survey: withPlans(await worker.cloud.survey(worker.distribution), state.plans) };
    }),
  );
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
  recipe: Recipe,
  settings: Settings & { stage: BakeStage },
  secrets: Secrets,
  before: Plans,
): Promise<Prepared[]> {
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  const distributions =
    settings.distributions?.map((id) => findDistribution(id, where, "ci-images:distributions")) ?? recipe.distributions;
  const attempts = await Promise.allSettled(
    clouds.flatMap((cloud) =>
      distributions.map(async (distribution): Promise<Prepared> => {
        const loginUser = cloud.loginUser?.(distribution);
        const plan = await planRecipe(recipe, distribution, {
          sealVersion,
          secrets,
          loginUser,
          sizeBytes: cloud.sizeBytes,
        });
        const survey = withPlans(await cloud.survey(distribution), before);
        const newest = survey.generations.find(({ proven }) => proven);
        const pinned = settings.base === "pinned" ? newest?.base : undefined;
        const base = await cloud.resolveBase(plan.base, distribution, pinned);
        const name = workerName(clouds, cloud, distribution);
        const { stage, power } = settings;
        const question = { recipe: plan.recipeHash(base.id), survey, stage, power };
        refusePowerOff(name, where, question);
        const goal = stageOf(question);
        const isProven = survey.generations.some(({ recipe, proven }) => recipe === question.recipe && proven);
        if (goal !== "image" || !isProven) await cloud.preflight(plan, question.recipe, goal);
        return { cloud, name, plan, base, survey, stage: goal };
      }),
    ),
  );
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as Error] : []));
  const bug = refused.find((error) => !(error instanceof UserError));
  if (bug) throw bug;
  // The same recipe is refused for the same reason on every distribution: say it once.
  const messages = [...new Set(refused.map(({ message }) => message))];
  if (messages.length > 0) throw UserError.relayed(messages.join("\n"));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
}
