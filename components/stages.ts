// The stages of a bake, for the stack settings `stage` and `power`.

/**
 * The stages in order. `none`: no builder, only existing images. `builder`: the builder runs. `provisioned`: its
 * modules have run. `tested`: its tests have passed. `image`: the image is made and proven.
 */
export const stages = ["none", "builder", "provisioned", "tested", "image"] as const;

export type Stage = (typeof stages)[number];

/** A stage with a builder or a new image. */
export type BakeStage = Exclude<Stage, "none">;

/** `off` stops the builder and keeps it. */
export type Power = "on" | "off";

/** A builder that stays after `pulumi up`, in the stack's output `builders`. */
export interface StagedBuilder {
  /** The recipe hash. */
  recipe: string;
  /** The last stage it completed. */
  stage: Exclude<BakeStage, "image">;
  power: Power;
}

/** Whether `stage` includes `other`. */
export function reaches(stage: Stage, other: Stage): boolean {
  return stages.indexOf(stage) >= stages.indexOf(other);
}
