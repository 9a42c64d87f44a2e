// From the stack's settings to one WorkerImage for each distribution.
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../common/user-error.ts";
import { findDistribution } from "../provision/distributions.ts";
import { planRecipe, type Plan } from "../provision/plan.ts";
import { loadRecipe, type Recipe } from "../provision/recipe.ts";
import { sealVersion } from "../provision/seal/seal.ts";
import { readSecrets, type Secrets } from "../provision/secrets.ts";
import type { Base, Cloud, Survey } from "./cloud.ts";
import { openCloud } from "./clouds.ts";
import { explainBake } from "./explanation.ts";
import type { Settings } from "./settings.ts";
import { WorkerImage } from "./worker-image.ts";

/** One image to be declared, with all that was looked up for it. */
interface Prepared {
  plan: Plan;
  base: Base;
  survey: Survey;
}

/**
 * Declares the images of the stack.
 * @param projectDirectory What relative paths in the settings are relative to.
 * @returns the stack's outputs: `images.<cloud>.<distribution>`.
 * @throws UserError with everything that is wrong with the settings or the recipe, before anything is declared.
 */
export async function bakeAll(settings: Settings, projectDirectory: string) {
  const cloud = await openCloud(settings, projectDirectory);
  const secrets = readSecrets(settings.secrets, process.env);
  const recipe = await loadRecipe(resolve(projectDirectory, settings.recipe), {
    moduleFolders: settings.modules === undefined ? [] : [resolve(projectDirectory, settings.modules)],
  });
  const prepared = await prepareAll(cloud, recipe, settings, secrets);
  const entries = prepared.map((each) => {
    const { keep, verify } = settings;
    const name = each.plan.distribution.id;
    const worker = new WorkerImage(name, { cloud, ...each, keep, verify: verify.enabled, secrets });
    for (const line of explainBake(each.plan, each.base, each.survey)) void pulumi.log.info(line, worker);
    return [name, worker.image];
  });
  return { images: { [cloud.name]: Object.fromEntries(entries) as Record<string, WorkerImage["image"]> } };
}

async function prepareAll(cloud: Cloud, recipe: Recipe, settings: Settings, secrets: Secrets): Promise<Prepared[]> {
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  const distributions =
    settings.distributions?.map((id) => findDistribution(id, where, "ci-images:distributions")) ?? recipe.distributions;
  const attempts = await Promise.allSettled(
    distributions.map(async (distribution) => {
      const plan = await planRecipe(recipe, distribution, { sealVersion, secrets });
      const base = await cloud.resolveBase(plan.base, distribution);
      const survey = await cloud.survey(distribution);
      const recipeHash = plan.recipeHash(base.id);
      if (!survey.generations.some((generation) => generation.recipe === recipeHash && generation.proven)) {
        await cloud.preflight(plan);
      }
      return { plan, base, survey };
    }),
  );
  const refused = attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason as Error] : []));
  const bug = refused.find((error) => !(error instanceof UserError));
  if (bug) throw bug;
  // The same recipe is refused for the same reason on every distribution: say it once.
  const messages = [...new Set(refused.map(({ message }) => message))];
  if (messages.length > 0) throw UserError.relayed(messages.join("\n"));
  return attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
}
