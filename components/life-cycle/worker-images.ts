// Declares one WorkerImage for each recipe, place and distribution, from the stack's settings.
import * as pulumi from "@pulumi/pulumi";
import { distributions } from "../../provision/distributions.ts";
import { describePlan, type PlanDescription } from "../../provision/plan/explain.ts";
import type { Distribution } from "../../provision/module.ts";
import { readSecrets } from "../../provision/recipe/secrets.ts";
import type { Distributed, LocalImage, Place, Survey } from "../cloud.ts";
import { openClouds, type Opened } from "../open-clouds.ts";
import { Once } from "../shared/once.ts";
import { explain, noticesOf } from "./explanation.ts";
import { readFleet } from "./fleet.ts";
import { refuseOtherClouds } from "./other-clouds.ts";
import { findPublished, KeptImages, withPlans, type Keeping, type Plans } from "./kept-images.ts";
import { stackOutputs, type Published, type StackOutputs } from "./outputs.ts";
import { Preparation, prepareExisting, type Prepared } from "./preparation.ts";
import type { Settings } from "../stack-settings.ts";
import { readState, type StackState } from "./stack-state.ts";
import { loadTransforms, transformation } from "./transforms.ts";
import { WorkerImage, type WorkerImageArgs } from "./worker-image.ts";
import { workerImageType, type WorkerNotes } from "./worker-inputs.ts";
import { localName, plainName, WorkerNames } from "./worker-names.ts";

/**
 * Declares the images of the stack.
 * @param projectDirectory The base of relative paths in the settings.
 * @returns the stack's outputs.
 * @throws UserError that reports all mistakes in settings and recipes together, before anything is declared.
 */
export async function bakeAll(settings: Settings, projectDirectory: string): Promise<StackOutputs> {
  const state = await readState();
  refuseOtherClouds(settings, state);
  const once = new Once();
  const open = (own: Settings) => openClouds(own, projectDirectory, state, once);
  const opened = await open(settings);
  const transforms = transformation(await loadTransforms(settings.transforms, projectDirectory));
  const options = { transformations: [transforms] };
  const { stage, image, keep, verify } = settings;
  if (stage === "none") return await keepAll(opened, state, options);
  const secrets = readSecrets(settings.secrets, process.env);
  const { clouds, bakery } = opened;
  const prepared =
    bakery && image !== undefined
      ? await prepareExisting(clouds, bakery, image, state, keep)
      : await new Preparation(await readFleet(settings, projectDirectory), {
          ...{ settings, stage, secrets, state, open },
        }).all();
  const declared = new Map<Prepared, Declared>();
  const tell = teller();
  const published = prepared.map((each): Published => {
    const { place, name, outputKey: key } = each;
    const worker = declare(each, declared, { verify: verify.enabled, secrets, state }, options);
    declared.set(each, worker);
    tell(explain(each), worker);
    return { place, name, ...(key !== undefined && { key }), images: worker.images, builder: worker.builder };
  });
  // Images on this computer record their plans themselves.
  const remote = prepared.filter(({ place }) => place.place !== undefined);
  const planned = remote.map(({ plan, base, description }) => description ?? describePlan(plan, base));
  return stackOutputs(published, plansToRemember(remote, planned));
}

/** Tells the user lines under a resource, each line once. */
function teller(): (lines: readonly string[], about: pulumi.Resource) => void {
  const told = new Set<string>();
  return (lines, about) => {
    for (const line of lines.filter((each) => !told.has(each))) {
      told.add(line);
      void pulumi.log.info(line, about);
    }
  };
}

/** A declared worker image. */
type Declared = pulumi.ComponentResource & Pick<WorkerImage, "images" | "proven" | "builder">;

/** @param declared What was declared before: images that it builds on or is imported from. */
function declare(
  prepared: Prepared,
  declared: ReadonlyMap<Prepared, Declared>,
  common: Pick<WorkerImageArgs, "verify" | "secrets" | "state">,
  options: pulumi.ComponentResourceOptions,
): Declared {
  const { name, place, bakery, origin, below, stage, plan, survey, published, label } = prepared;
  if (!bakery && !origin) {
    const keeping = { place, distribution: plan.distribution, survey, published, label };
    return new KeptImages(name, keeping, { recipeName: plan.name }, options);
  }
  const source = stage === "image" && origin ? sourceOf(origin, declared.get(origin)!) : undefined;
  const tier = below && {
    image: imageOf(below, declared.get(below)!),
    proven: declared.get(below)!.proven,
  };
  return new WorkerImage(name, { ...prepared, ...common, source, tier }, options);
}

/** The finished image that is imported; undefined if every place has it. */
function sourceOf(origin: Prepared, worker: Declared): LocalImage | undefined {
  const { bakery, elsewhere } = origin;
  if (bakery) return { path: imageOf(origin, worker).apply(({ path }) => path!) };
  return elsewhere && { path: elsewhere.location };
}

/** The worker image's published image in its own place. */
function imageOf({ place: { place, name } }: Prepared, { images }: Declared): Distributed[string] {
  return images[place ?? name];
}

/** Stage `none`: declares only the existing images. Reads neither recipes nor secrets. */
async function keepAll(
  { clouds, bakery }: Opened,
  state: StackState,
  options: pulumi.ComponentResourceOptions,
): Promise<StackOutputs> {
  /** The state's worker images of one distribution in one place. */
  const kept = async (place: Place, distribution: Distribution, plain: string) => {
    if (!state.namesOf(workerImageType).some((name) => name.startsWith(plain))) return [];
    const survey = withPlans(await place.survey(distribution), state.plans);
    const names = new WorkerNames(state, plain, [], survey.generations);
    const isOnly = names.all.length === 1;
    return names.all.map((name) => {
      const noted = state.outputsOf(workerImageType, name)?.recipeName as string | undefined;
      const generations = names.generationsOf(name, noted ?? "", isOnly);
      const own = { ...survey, generations };
      const published = findPublished(name, place, own, state);
      const keeping = { place, distribution, survey: own, published, label: names.labelOf(name) };
      return { name, keeping, notes: notesOf(state, name, keeping, isOnly) };
    });
  };
  const all = await Promise.all(
    distributions.flatMap((distribution) => [
      ...clouds.map((cloud) => kept(cloud, distribution, plainName(clouds, cloud, distribution, state))),
      ...(bakery ? [kept(bakery, distribution, localName(distribution))] : []),
    ]),
  );
  const workers = all.flat();
  const tell = teller();
  const published = workers.map(({ name, keeping, notes }): Published => {
    const worker = new KeptImages(name, keeping, notes, options);
    const { place, distribution, survey } = keeping;
    tell(noticesOf(distribution, survey.notices ?? []), worker);
    if (place === bakery) return { place, name };
    tell([`${name}: stage none: no builder; the proven images stay`], worker);
    const { outputKey: key } = notes;
    return { place, name, ...(key !== undefined && { key }), images: worker.images };
  });
  const places = workers.map(({ keeping: { survey } }) => ({ survey }));
  return stackOutputs(published, plansToRemember(places));
}

/**
 * The state's notes about a worker image. After a bake that failed the engine has dropped them, and states of older
 * versions have none: the stack's outputs tell the key.
 * @param isOnly Whether the stack has no other worker image of this distribution.
 */
function notesOf(
  state: StackState,
  name: string,
  { distribution: { id }, place, survey, published }: Keeping,
  isOnly: boolean,
): WorkerNotes {
  const noted = state.outputsOf(workerImageType, name) as Partial<WorkerNotes> | undefined;
  if (noted?.recipeName !== undefined) {
    const { recipeName, outputKey: key } = noted;
    return key === undefined ? { recipeName } : { recipeName, outputKey: key };
  }
  const recipeName = (published ?? survey.generations[0])?.name ?? "";
  const [key] =
    Object.entries(state.publishedIn(place.outputName, place.place)).find(([, image]) =>
      survey.generations.some(({ recipe }) => recipe === image.recipe),
    ) ?? [];
  if (key !== undefined) return { recipeName, outputKey: key };
  // An image without a key is only the base of others.
  return isOnly ? { recipeName, outputKey: id } : { recipeName };
}

/** The plans of all images that stay, of which an earlier one may become the newest again, and of new images. */
function plansToRemember(present: readonly { survey: Survey }[], planned: readonly PlanDescription[] = []): Plans {
  const plans = present.flatMap(({ survey }) => survey.generations.flatMap((generation) => generation.plan ?? []));
  return Object.fromEntries([...plans, ...planned].map((plan) => [plan.recipe, plan]));
}
