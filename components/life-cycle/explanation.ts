// The messages of a preview: which images will be baked, and why.
import { describePlan, explainChange } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import type { Prepared } from "./preparation.ts";

/**
 * Explains what will happen to one image.
 * @returns lines for the user; only notices if the image is up to date. The images of several recipes have the same
 *   notices.
 */
export function explain(image: Prepared): string[] {
  const { bakery, origin } = image;
  const plans = bakery ? explainBake(image) : origin ? explainImport(image, origin) : [];
  const aboutBase = bakery && image.base.notice !== undefined ? [image.base.notice] : [];
  return [...noticesOf(image.plan.distribution, [...aboutBase, ...(image.survey.notices ?? [])]), ...plans];
}

/** Notices are about the distribution: a survey finds the images of all recipes. */
export function noticesOf({ id }: Distribution, notices: readonly string[]): string[] {
  return notices.map((notice) => `${id}: ${notice}`);
}

function explainBake({ name, plan, base, survey, published: before, stage, fromLayer = 0 }: Prepared): string[] {
  const recipe = plan.recipeHash(base.id);
  const present = survey.generations.find((generation) => generation.recipe === recipe);
  const resumed = survey.builders.includes(recipe)
    ? [`${name}: a builder of this recipe exists: continues where it failed or stopped`]
    : spared(name, plan.modules.length, fromLayer);
  if (stage !== "image") {
    const goal = { builder: "started", provisioned: "provisioned", tested: "provisioned and tested" }[stage];
    const what = `a builder of recipe ${short(recipe)} (${plan.name} on ${base.description}) will be ${goal}; no image yet`;
    return [`${name}: stage ${stage}: ${what}`, ...resumed];
  }
  if (present?.proven) return [];
  if (present) return [`${name}: image ${short(recipe)} is made but not verified yet: will be verified`];
  const reasons = before?.plan ? explainChange(before.plan, describePlan(plan, base)) : [];
  const why = before
    ? `recipe ${short(before.recipe)} => ${short(recipe)}`
    : `no image of recipe ${short(recipe)} yet (${plan.name} on ${base.description})`;
  return [[`${name}: will be baked: ${why}`, ...reasons.map((reason) => `  ${reason}`)].join("\n"), ...resumed];
}

function explainImport({ name, plan, base, survey, stage }: Prepared, origin: Prepared): string[] {
  if (stage !== "image") return [];
  const recipe = plan.recipeHash(base.id);
  const present = survey.generations.find((generation) => generation.recipe === recipe);
  if (present?.proven) return [];
  if (present) return [`${name}: image ${short(recipe)} is imported but not verified yet: will be verified`];
  const own = origin.survey.generations.find((generation) => generation.recipe === recipe);
  const ready = origin.elsewhere ?? (own?.proven ? own : undefined);
  const how = ready ? `which is there: ${ready.location}` : `which ${own ? "will be verified" : "will be baked"} first`;
  return [`${name}: will be imported from the local bake of recipe ${short(recipe)}, ${how}`];
}

function spared(name: string, modules: number, fromLayer: number): string[] {
  if (fromLayer === 0) return [];
  return [`${name}: ${modules - fromLayer} of ${modules} modules run, ${fromLayer} from a layer`];
}

function short(hash: string): string {
  return hash.slice(0, 8);
}
