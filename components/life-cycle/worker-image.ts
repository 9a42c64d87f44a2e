// The life cycle of one image, all in the constructor: existing image? -> builder -> modules -> tests -> seal -> image
// -> retirement -> verification -> promotion -> distribution. The bakery makes the image, and the place does everything
// after it. Without a bakery the image is imported: another WorkerImage, on this computer, has baked and verified it.
import * as pulumi from "@pulumi/pulumi";
import { describePlan, type PlanDescription } from "../../provision/plan/explain.ts";
import { usedSecrets, type Plan } from "../../provision/plan/plan.ts";
import type { Secrets } from "../../provision/recipe/secrets.ts";
import { builderChecks, verificationChecks } from "../../provision/builder/verification.ts";
import type {
  Bake,
  Bakery,
  Base,
  DeclaredImage,
  Distributed,
  Generation,
  LocalImage,
  Place,
  Survey,
  Tier,
} from "../cloud.ts";
import { byWorth, declarePresent, keepProven, keepUnproven } from "./kept-images.ts";
import { Provisioning } from "./provisioning.ts";
import { Login } from "../shared/resources.ts";
import { stepsOf } from "./stage-steps.ts";
import type { BakeStage, Power, StagedBuilder } from "../stages.ts";
import type { StackState } from "./stack-state.ts";
import { workerImageType, workerInputs, workerOptions, type WorkerNotes } from "./worker-inputs.ts";
import { prefixOf } from "./worker-names.ts";

export interface WorkerImageArgs {
  /** Makes the image in this place; undefined if it is imported. */
  bakery?: Bakery;
  /** The finished image to import. */
  source?: LocalImage;
  place: Place;
  plan: Plan;
  base: Base;
  /** The place's images and builders of this stack and distribution. */
  survey: Survey;
  /** The image that the stack's outputs name; from `findPublished`. */
  published?: Generation;
  /** How many generations to keep besides the newest. */
  keep: number;
  /** Whether the image is booted before it is published. */
  verify: boolean;
  /** The last stage of the bake; from `stageOf`. */
  stage: BakeStage;
  /** Whether the builder runs. */
  power: Power;
  /** Has the completed steps of a builder. */
  state: StackState;
  /** The stack's secrets. */
  secrets: Secrets;
  /** The plan's description, if an existing image is imported. */
  description?: PlanDescription;
  /** The image of another recipe that this one builds on. */
  tier?: Tier;
  /** The name that labels its machines; see {@link ImageIdentity}. */
  label?: string;
  /** The key of its images in the stack's outputs; undefined if they are not outputs. */
  outputKey?: string;
}

/** One image of a recipe for one distribution, with the earlier generations that are kept. */
export class WorkerImage extends pulumi.ComponentResource {
  /** The image's stack outputs, for each place that has it. They are known only when it is proven. */
  readonly images: Distributed;
  /** Resources that must exist before the image is proven; empty if it is. */
  readonly proven: pulumi.Resource[] = [];
  /** The builder's stack output; undefined if none stays. */
  readonly builder: StagedBuilder | undefined;

  /** @param name See worker-names.ts: `debian12`, `ORD-debian12`, `debian12-docker`. */
  constructor(name: string, args: WorkerImageArgs, options?: pulumi.ComponentResourceOptions) {
    const { bakery, place, plan, base, survey, published, stage, power, label, tier, outputKey } = args;
    const recipe = plan.recipeHash(base.id);
    const description = args.description ?? describePlan(plan, base);
    super(workerImageType, name, workerInputs(description), workerOptions(options));

    const bake: Bake = {
      name: plan.name,
      distribution: plan.distribution,
      plan,
      base,
      recipe,
      description,
      prefix: prefixOf(name, recipe),
      interrupted: survey.builders.includes(recipe),
      sealed: stage === "image" && (survey.sealed ?? []).includes(recipe),
      stage,
      parent: this,
      ...(label !== undefined && { worker: label }),
      ...(tier && { tier }),
    };
    const keeping = { place, distribution: plan.distribution, survey, published, label };
    const present = survey.generations.find((generation) => generation.recipe === recipe);
    if (stage !== "image") {
      // All images stay, because there is no new one.
      keepUnproven(name, keeping, this);
      this.images = keepProven(name, keeping, this);
      if (bakery) this.builder = { recipe, stage: prepareBuilder(name, bakery, bake, args).reached, power };
    } else if (present?.proven) {
      this.images = declarePresent(name, present, keeping, this);
    } else {
      const identity = present ? { ...bake, name: present.name } : bake;
      const image = present ? place.declareGeneration(identity, present) : makeImage(name, bake, args);
      const proven = args.verify ? verifyImage(bake, image, args) : promoteUnseen(bake, image, place);
      this.images = place.declareDistribution(identity, image, [proven]);
      this.proven = [proven];
    }
    const others = survey.generations.filter((generation) => generation.proven && generation.recipe !== recipe);
    const earlier = byWorth(others, published);
    // Generations that are no longer declared are deleted.
    if (stage === "image") for (const each of earlier.slice(0, args.keep)) declarePresent(name, each, keeping, this);
    const notes: WorkerNotes = { recipeName: plan.name, ...(outputKey !== undefined && { outputKey }) };
    this.registerOutputs({ images: this.images, ...notes });
  }
}

/** Bakes the image, or imports one that was baked on this computer. */
function makeImage(worker: string, bake: Bake, args: WorkerImageArgs): DeclaredImage {
  const { bakery, place, source } = args;
  if (bakery) return bakeImage(worker, bakery, bake, args);
  if (!place.declareImport || !source) throw new Error(`${place.name} can't import images`);
  return place.declareImport(bake, source);
}

/** Declares builder, modules and tests, up to the stage. */
function prepareBuilder(worker: string, bakery: Bakery, bake: Bake, args: WorkerImageArgs) {
  const { plan, secrets, survey, power, state } = args;
  const builder = bakery.declareBuilder(bake);
  const { recipe, parent, stage, prefix } = bake;
  const { connection, tunnel, loginUser: user = connection.user } = builder;
  const login = { ...connection, user, worker, recipe, power, ...(tunnel && { tunnel }) };
  new Login(`${prefix}-login`, login, { parent, dependsOn: [builder.ready] });
  const isWanted = stepsOf({ recipe, survey, stage, power }, state);
  const steps = { isWanted, isAwake: power === "on", isSealed: bake.sealed };
  const provisioning = new Provisioning(prefix, builder, parent, usedSecrets(plan, secrets), steps);
  provisioning.settle();
  provisioning.modules(plan.modules);
  const reached = provisioning.isComplete ? "provisioned" : "builder";
  const isTested = provisioning.isComplete && isWanted("tested", `${prefix}-tests`);
  if (isTested) provisioning.tests("builder", [...builderChecks(plan.distribution.loginUser), ...plan.checks], recipe);
  return { builder, provisioning, reached: isTested ? ("tested" as const) : reached } as const;
}

/** Declares builder, modules, tests, sealing and image. The builder is gone when the image exists. */
function bakeImage(worker: string, bakery: Bakery, bake: Bake, args: WorkerImageArgs): DeclaredImage {
  const { builder, provisioning } = prepareBuilder(worker, bakery, bake, args);
  const inventory = provisioning.inventory(bake.recipe);
  provisioning.after(bakery.declareSealing(bake, builder, provisioning.end));
  const { name, recipe, base } = bake;
  const image = { name, recipe, base: { id: base.id, description: base.description } };
  const sealed = provisioning.seal({ image, lastLook: !bakery.readsStopped }, recipe);
  return bakery.declareImage(bake, builder, sealed, inventory);
}

/**
 * Declares that a trial machine boots from the image, the tests run on it, the image is promoted, and the machine is
 * ended. Promotion comes before the end, so that a failure there does not make another boot necessary.
 */
function verifyImage(
  bake: Bake,
  image: DeclaredImage,
  { place, plan, secrets }: WorkerImageArgs,
): pulumi.CustomResource {
  const trial = place.declareTrial(bake, image);
  const provisioning = new Provisioning(`${bake.prefix}-trial`, trial, bake.parent, usedSecrets(plan, secrets));
  const { loginUser } = plan.distribution;
  const checks = image.builder.apply((builder) => [...verificationChecks(builder, loginUser), ...plan.checks]);
  const verified = provisioning.tests("image", checks, bake.recipe);
  const proof = { how: trial.how, report: verified.stdout };
  const promoted = place.declarePromotion(bake, image, proof, [verified]);
  trial.retire(promoted);
  return promoted;
}

/** Promotes the image without verification, which the stack has turned off. The proof says so. */
function promoteUnseen(bake: Bake, image: DeclaredImage, place: Place): pulumi.CustomResource {
  return place.declarePromotion(bake, image, { how: "none", report: "" }, [image.resource]);
}
