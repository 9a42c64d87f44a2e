// The life cycle of one image. Whoever reads the constructor has read it:
// there already? -> builder -> modules -> tests -> seal -> image -> retirement -> verification -> promotion -> distribution.
import * as pulumi from "@pulumi/pulumi";
import { describePlan } from "../provision/explain.ts";
import { usedSecrets, type Plan } from "../provision/plan.ts";
import type { Secrets } from "../provision/secrets.ts";
import { verificationChecks } from "../provision/verification.ts";
import type { Bake, Base, Cloud, DeclaredImage, Distributed, Generation, ImageIdentity, Survey } from "./cloud.ts";
import { Provisioning } from "./provisioning.ts";

export interface WorkerImageArgs {
  cloud: Cloud;
  plan: Plan;
  base: Base;
  /** What the cloud has of this stack and distribution. */
  survey: Survey;
  /** How many generations stay beside the newest. */
  keep: number;
  /** False publishes the image without booting it. */
  verify: boolean;
  /** The stack's secrets. */
  secrets: Secrets;
}

/**
 * One image of a recipe for one distribution, with the earlier generations that are kept beside it. Its inputs are the
 * parts of the recipe hash, so that `pulumi preview --diff` shows which of them changed.
 */
export class WorkerImage extends pulumi.ComponentResource {
  /** What the stack's outputs say of the image, for each place that has it; known only when it is proven. */
  readonly images: Distributed;

  /** @param name The distribution, after the place where the stack has several: `debian12`, `ORD-debian12`. */
  constructor(name: string, args: WorkerImageArgs, options?: pulumi.ComponentResourceOptions) {
    const { cloud, plan, base, survey } = args;
    const recipe = plan.recipeHash(base.id);
    const description = describePlan(plan, base);
    super("ci-images:index:WorkerImage", name, description, options);

    const bake: Bake = {
      name: plan.name,
      distribution: plan.distribution,
      plan,
      base,
      recipe,
      description,
      prefix: prefixOf(name, recipe),
      interrupted: survey.builders.includes(recipe),
      parent: this,
    };
    const present = survey.generations.find((generation) => generation.recipe === recipe);
    if (present?.proven) {
      this.images = declarePresent(name, present, args, this);
    } else {
      const identity = present ? { ...bake, name: present.name } : bake;
      const image = present ? cloud.declareGeneration(identity, present) : bakeImage(bake, args);
      const proven = args.verify ? verifyImage(bake, image, args) : promoteUnseen(bake, image, cloud);
      this.images = cloud.declareDistribution(identity, image, [proven]);
    }
    const earlier = survey.generations.filter((generation) => generation.proven && generation.recipe !== recipe);
    // One resource a kept generation: they stay tracked, and the one too many is deleted because nobody declares it.
    for (const generation of earlier.slice(0, args.keep)) declarePresent(name, generation, args, this);
    this.registerOutputs({ images: this.images });
  }
}

/** A proven image that is there already, with its copies and all. */
function declarePresent(
  worker: string,
  generation: Generation,
  { cloud, plan }: WorkerImageArgs,
  parent: pulumi.Resource,
): Distributed {
  const { name, recipe } = generation;
  const { distribution } = plan;
  const identity: ImageIdentity = { name, distribution, recipe, prefix: prefixOf(worker, recipe), parent };
  return cloud.declareDistribution(identity, cloud.declareGeneration(identity, generation), []);
}

function prefixOf(worker: string, recipe: string): string {
  return `${worker}-${recipe.slice(0, 8)}`;
}

/** Builder, modules, tests, seal, image; the builder is gone when the image is there. */
function bakeImage(bake: Bake, { cloud, plan, secrets }: WorkerImageArgs): DeclaredImage {
  const builder = cloud.declareBuilder(bake);
  const provisioning = new Provisioning(bake.prefix, builder, bake.parent, usedSecrets(plan, secrets));
  if (builder.settles) provisioning.settle();
  for (const module of plan.modules) provisioning.module(module);
  provisioning.tests("builder", plan.checks, bake.recipe);
  const inventory = provisioning.inventory(bake.recipe);
  provisioning.after(cloud.declareSealing(bake, builder, provisioning.end));
  const { recipe, base } = bake;
  const sealed = provisioning.seal({ image: { name: plan.name, recipe, base } }, recipe);
  return cloud.declareImage(bake, builder, sealed, inventory);
}

/** Boots a throw-away machine from the image, runs the tests on it, ends it, and promotes the image. */
function verifyImage(
  bake: Bake,
  image: DeclaredImage,
  { cloud, plan, secrets }: WorkerImageArgs,
): pulumi.CustomResource {
  const trial = cloud.declareTrial(bake, image);
  const provisioning = new Provisioning(`${bake.prefix}-trial`, trial, bake.parent, usedSecrets(plan, secrets));
  const checks = image.builder.apply((builder) => [...verificationChecks(builder), ...plan.checks]);
  const verified = provisioning.tests("image", checks, bake.recipe);
  const retired = trial.retire(verified);
  const proof = { how: trial.how, report: verified.stdout };
  return cloud.declarePromotion(bake, image, proof, [retired]);
}

/** The stack turned verification off: the proof says so. */
function promoteUnseen(bake: Bake, image: DeclaredImage, cloud: Cloud): pulumi.CustomResource {
  return cloud.declarePromotion(bake, image, { how: "none", report: "" }, [image.resource]);
}
