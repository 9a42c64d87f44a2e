// What a preview says: which images will be baked, and why.
import { describePlan, explainChange } from "../../provision/plan/explain.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { Base, Survey } from "../cloud.ts";
import type { BakeStage } from "../stages.ts";

/**
 * Explains what is about to happen to one image.
 * @param name Its name: its distribution, preceded by its place if there are several.
 * @param fromLayer How many of its modules a layer saves.
 * @returns lines for the user; none if the image is up to date.
 */
export function explainBake(
  name: string,
  plan: Plan,
  base: Base,
  survey: Survey,
  stage: BakeStage,
  fromLayer = 0,
): string[] {
  const recipe = plan.recipeHash(base.id);
  const present = survey.generations.find((generation) => generation.recipe === recipe);
  const notice = [base.notice, ...(survey.notices ?? [])].flatMap((each) =>
    each === undefined ? [] : `${name}: ${each}`,
  );
  const resumed = survey.builders.includes(recipe)
    ? [`${name}: a builder of this recipe exists: continues where it failed or stopped`]
    : spared(name, plan.modules.length, fromLayer);
  if (stage !== "image") {
    const goal = { builder: "started", provisioned: "provisioned", tested: "provisioned and tested" }[stage];
    const what = `a builder of recipe ${short(recipe)} (${plan.name} on ${base.description}) will be ${goal}; no image yet`;
    return [...notice, `${name}: stage ${stage}: ${what}`, ...resumed];
  }
  if (present?.proven) return notice;
  if (present) return [...notice, `${name}: image ${short(recipe)} is made but not verified yet: will be verified`];
  const before = survey.generations.find(({ proven }) => proven);
  const reasons = before?.plan ? explainChange(before.plan, describePlan(plan, base)) : [];
  const why = before
    ? `recipe ${short(before.recipe)} => ${short(recipe)}`
    : `no image of recipe ${short(recipe)} yet (${plan.name} on ${base.description})`;
  return [
    ...notice,
    [`${name}: will be baked: ${why}`, ...reasons.map((reason) => `  ${reason}`)].join("\n"),
    ...resumed,
  ];
}

function spared(name: string, modules: number, fromLayer: number): string[] {
  if (fromLayer === 0) return [];
  return [`${name}: ${modules - fromLayer} of ${modules} modules run, ${fromLayer} from a layer`];
}

function short(hash: string): string {
  return hash.slice(0, 8);
}
