// How far a bake goes: the stack settings `stage` and `power`.

/**
 * The stages in their order: no builder, and the images there are; the builder is there; its modules ran; its tests passed;
 * the image is made and proven.
 */
export const stages = ["none", "builder", "provisioned", "tested", "image"] as const;

export type Stage = (typeof stages)[number];

/** A stage with a builder or a new image. */
export type BakeStage = Exclude<Stage, "none">;

/** `off` stops the builder and keeps it. */
export type Power = "on" | "off";

/** A builder that stays after `pulumi up`, as the stack's output `builders` has it. */
export interface StagedBuilder {
  /** The recipe hash. */
  recipe: string;
  /** What it has behind it. */
  stage: Exclude<BakeStage, "image">;
  power: Power;
}

/** True when `stage` has `other` behind it, or is it. */
export function reaches(stage: Stage, other: Stage): boolean {
  return stages.indexOf(stage) >= stages.indexOf(other);
}
