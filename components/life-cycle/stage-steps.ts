// Decides which steps of a bake are declared at a stage. Stages before `image` declare the builder and the steps up to
// the stage, with the same logical names as the whole bake, so that a later stage continues with the same builder.
import { UserError, type Complaint } from "../../common/user-error.ts";
import type { Survey } from "../cloud.ts";
import { Return, Upload } from "../shared/contract.ts";
import { reaches, type BakeStage, type Power, type Stage } from "../stages.ts";
import type { StackState } from "./stack-state.ts";

/** The facts that decide how far a bake goes. */
export interface StageQuestion {
  /** The recipe hash. */
  recipe: string;
  survey: Survey;
  /** The stack's settings. */
  stage: BakeStage;
  power: Power;
}

/** Whether an image of the recipe exists, proven or not. */
export function hasImage({ generations }: Survey, recipe: string): boolean {
  return generations.some((generation) => generation.recipe === recipe);
}

/** The stage to declare. A builder that is off can't become an image. */
export function stageOf({ recipe, survey, stage, power }: StageQuestion): BakeStage {
  const isMade = hasImage(survey, recipe);
  return stage === "image" && power === "off" && !isMade ? "tested" : stage;
}

/**
 * Decides which steps on a builder to declare. Completed steps are always declared; otherwise their records would be
 * dropped, and they would run again. Other steps are declared only if the builder is on.
 * @param question The facts about one bake.
 * @param state Has the completed steps, by their logical names.
 * @returns whether to declare a step, by its stage and logical name.
 */
export function stepsOf(
  { recipe, survey, stage, power }: StageQuestion,
  state: StackState,
): (goal: Stage, name: string) => boolean {
  // If the builder is gone, a new one must run the step again.
  const hasBuilder = survey.builders.includes(recipe);
  const isDone = (name: string) => hasBuilder && stepTypes.some((type) => state.has(type, name));
  return (goal, name) => (power === "on" && reaches(stage, goal)) || isDone(name);
}

const stepTypes = ["command:remote:Command", Upload.token, Return.token];

/**
 * Refuses power `off` where it would make or replace a builder.
 * @param name The worker image's name.
 * @throws UserError when there is no builder, or the builder is expired, sealed or of another recipe.
 */
export function refusePowerOff(name: string, where: string, { recipe, survey, stage, power }: StageQuestion): void {
  if (power === "on") return;
  if (survey.sealed?.includes(recipe)) {
    throw new UserError({
      where,
      key: "ci-images:power",
      found: `off, but the builder of ${name} is already sealed and off, and accepts no logins`,
      cure: "set it to on, or remove it: `pulumi up` then makes its image",
    });
  }
  if (survey.builders.includes(recipe)) return;
  if (stage === "image" && hasImage(survey, recipe)) return;
  const complaint: Complaint = { where, key: "ci-images:power", found: `off, but ${name} has no builder` };
  if (survey.builders.length === 0 && (survey.expired ?? []).length > 0) {
    throw new UserError({
      ...complaint,
      found: `off, but the builder of ${name} is past its deadline (ci-images:maxLifetime)`,
      cure: "set it to on, or remove it: `pulumi up` then removes that builder and makes another",
    });
  }
  if (survey.builders.length === 0) {
    throw new UserError({ ...complaint, cure: "set it to on, or remove it: `pulumi up` then makes one" });
  }
  throw new UserError({
    ...complaint,
    found: `off, but the builder of ${name} was made from a different recipe`,
    cure: "to power it off, undo the change of the recipe; to replace it, set power to on and run `pulumi up`",
  });
}
