// Which steps of a bake are declared at a stage. A stage before `image` always declares the builder, up to that stage,
// with the same logical names as the whole bake, so that a later stage continues with the same builder.
import { UserError, type Complaint } from "../../common/user-error.ts";
import type { Survey } from "../cloud.ts";
import { Return, Upload } from "../shared/contract.ts";
import { reaches, type BakeStage, type Power, type Stage } from "../stages.ts";
import type { StackState } from "./stack-state.ts";

/** What determines how far a bake goes. */
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

/** The stage to declare: a builder that is off can't become an image. */
export function stageOf({ recipe, survey, stage, power }: StageQuestion): BakeStage {
  const isMade = hasImage(survey, recipe);
  return stage === "image" && power === "off" && !isMade ? "tested" : stage;
}

/**
 * Which steps on a builder to declare. Steps that it has completed always, or their records would be dropped and all of
 * it would run again; others not while it is off.
 * @param question For one bake.
 * @param state Finds the steps by their logical names.
 * @returns whether to declare a step, by its stage and logical name.
 */
export function stepsOf(
  { recipe, survey, stage, power }: StageQuestion,
  state: StackState,
): (goal: Stage, name: string) => boolean {
  // Without its builder a record means nothing: the step would run on a new one.
  const hasBuilder = survey.builders.includes(recipe);
  const isDone = (name: string) => hasBuilder && stepTypes.some((type) => state.has(type, name));
  return (goal, name) => (power === "on" && reaches(stage, goal)) || isDone(name);
}

const stepTypes = ["command:remote:Command", Upload.token, Return.token];

/**
 * Powering off must neither make a builder nor replace the one that is there.
 * @param name The worker image.
 * @throws UserError when there is none to power off, or the one that is there is of another recipe, or sealed.
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
  if (survey.builders.length === 0) {
    throw new UserError({ ...complaint, cure: "set it to on, or remove it: `pulumi up` then makes one" });
  }
  throw new UserError({
    ...complaint,
    found: `off, but the builder of ${name} was made from a different recipe`,
    cure: "to power it off, undo the change of the recipe; to replace it, set power to on and run `pulumi up`",
  });
}
