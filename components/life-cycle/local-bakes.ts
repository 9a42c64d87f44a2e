// The stack setting `bakery: local`: images of a cloud's stack that are baked and verified on this computer, and then
// imported. Such a bake is a separate worker image (`local-debian12`), like one of stack `local`; all places of the
// stack import from it.
import * as pulumi from "@pulumi/pulumi";
import type { Distribution } from "../../provision/module.ts";
import type { Plan } from "../../provision/plan/plan.ts";
import type { Bakery, Base, Generation, LocalImage, Survey } from "../cloud.ts";
import { explainBake } from "./explanation.ts";
import { KeptImages, keepNewest } from "./kept-images.ts";
import type { BakeStage, StagedBuilder } from "../stages.ts";
import { hasImage } from "./stage-steps.ts";
import { WorkerImage, type WorkerImageArgs } from "./worker-image.ts";

/** The bake of one distribution, before anything is declared. */
export interface LocalBake {
  /** The worker image's name. */
  name: string;
  /** As of {@link ImageIdentity}. */
  label?: string;
  bakery: Bakery;
  distribution: Distribution;
  plan: Plan;
  base: Base;
  /** This computer's images and builders of this stack and distribution. */
  survey: Survey;
  stage: BakeStage;
  /** How many of its modules a layer saves. */
  fromLayer?: number;
  /** A proven image of the recipe from another stack. */
  elsewhere?: Generation;
  /** False if every place of the stack has the image: then nothing is baked, even if this computer has lost it. */
  isNeeded: boolean;
}

/** A declared bake. */
export interface DeclaredBake {
  /** The worker image's name. */
  name: string;
  /** The image to import, if any. */
  source?: LocalImage;
  builder?: StagedBuilder;
}

/** The worker image's name, if the stack has one recipe; differs from that of the importing one. */
export function localName({ id }: Distribution): string {
  return `local-${id}`;
}

/** Whether this stack must bake, because nobody else has. */
export function isBakedHere({ survey, elsewhere, isNeeded, plan, base, stage }: LocalBake): boolean {
  const recipe = plan.recipeHash(base.id);
  if (stage !== "image" || hasImage(survey, recipe)) return true;
  return isNeeded && !elsewhere;
}

/** Declares the bake, or only this stack's images that stay. */
export function declareBake(
  bake: LocalBake,
  args: Pick<WorkerImageArgs, "keep" | "verify" | "power" | "state" | "secrets">,
  options: pulumi.ComponentResourceOptions,
): DeclaredBake {
  const { name, label, bakery, distribution, plan, base, survey, stage, elsewhere } = bake;
  if (!isBakedHere(bake)) {
    // Together with the one made elsewhere, the usual number of generations.
    const kept = keepNewest(survey, args.keep + (elsewhere ? 0 : 1));
    new KeptImages(name, { cloud: bakery, distribution, survey: kept, label }, { recipeName: plan.name }, options);
    return { name, ...(elsewhere && { source: { path: elsewhere.location } }) };
  }
  const worker = new WorkerImage(name, { ...args, cloud: bakery, label, plan, base, survey, stage }, options);
  for (const line of explainBake(name, plan, base, survey, stage, bake.fromLayer)) void pulumi.log.info(line, worker);
  if (stage !== "image") return { name, builder: worker.builder };
  return { name, source: { path: pulumi.output(worker.images.local).apply(({ path }) => path!) } };
}

/** The preview's explanation for a place that imports its image. */
export function explainImport(name: string, bake: LocalBake, place: Survey): string[] {
  const { plan, base, stage, elsewhere, survey } = bake;
  const recipe = plan.recipeHash(base.id);
  const present = place.generations.find((generation) => generation.recipe === recipe);
  const short = recipe.slice(0, 8);
  if (stage !== "image") return [];
  if (present) {
    return present.proven ? [] : [`${name}: image ${short} is imported but not verified yet: will be verified`];
  }
  const own = survey.generations.find((generation) => generation.recipe === recipe);
  const ready = elsewhere ?? (own?.proven ? own : undefined);
  const how = ready ? `which is there: ${ready.location}` : `which ${own ? "will be verified" : "will be baked"} first`;
  return [`${name}: will be imported from the local bake of recipe ${short}, ${how}`];
}
