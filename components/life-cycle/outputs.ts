// The stack's outputs: the images to boot workers from, by cloud, place and distribution.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import type { Distributed, ImageOutput, Place } from "../cloud.ts";
import type { StagedBuilder } from "../stages.ts";

type ByName<T> = Record<string, T>;

/** The stack's outputs. */
export interface StackOutputs {
  /**
   * `images.<cloud>.<place>.<distribution>`; on this computer, which has no places, `images.local.<distribution>`. If
   * the stack lists several recipes, the last part is `<recipe>-<distribution>`.
   */
  images: ByName<ByName<pulumi.Output<ImageOutput> | ByName<pulumi.Output<ImageOutput>>>>;
  /** Only the ids, in the form that ci-platform merges into its configuration; not on `local`. */
  ciPlatform?: { jenkins: { clouds: { images: ByName<ByName<ByName<pulumi.Output<string>>>> } } };
  /**
   * The plans of all images, so that the next preview can explain changes; not on `local`, where images record them.
   * Secret, because they contain the recipe's settings, which a preview would print.
   */
  plans?: pulumi.Output<ByName<PlanDescription>>;
  /**
   * The builders that stay because the stack's stage is before `image`, by worker image.
   */
  builders?: ByName<StagedBuilder>;
}

/** The proven images of one distribution. */
export interface Published {
  place: Place;
  /** The worker image's name. */
  name: string;
  /** The key below the place; see {@link outputKey}. Undefined if the recipe is only a base of others. */
  key?: string;
  /** Undefined if the images are only baked here to be imported elsewhere. */
  images?: Distributed;
  /** The builder that stays. */
  builder?: StagedBuilder;
}

/**
 * An image's key in the outputs, below its place: `debian12`, or `docker-debian12` in a stack of several recipes.
 * @param isFleet Whether the stack lists several recipes.
 */
export function outputKey(recipe: string, distribution: string, isFleet: boolean): string {
  return isFleet ? `${recipe}-${distribution}` : distribution;
}

/** Arranges the published images into the stack's outputs. */
export function stackOutputs(published: readonly Published[], plans: ByName<PlanDescription>): StackOutputs {
  const images: StackOutputs["images"] = {};
  const ids: ByName<ByName<ByName<pulumi.Output<string>>>> = {};
  for (const { place, key, images: distributed } of published) {
    if (!distributed || key === undefined) continue;
    const places = (images[place.outputName] ??= {});
    for (const [name, image] of Object.entries(distributed)) {
      if (place.place === undefined) {
        places[key] = image;
        continue;
      }
      ((places[name] ??= {}) as ByName<pulumi.Output<ImageOutput>>)[key] = image;
      const byPlace = ((ids[place.outputName] ??= {})[name] ??= {});
      byPlace[key] = image.apply(({ id }) => {
        if (id === undefined) throw new Error(`${place.name} gave no id for the image of ${key} in ${name}`);
        return id;
      });
    }
  }
  const staged = published.flatMap(({ name, builder }) => (builder ? [[name, builder] as const] : []));
  const outputs = { images, ...(staged.length > 0 ? { builders: Object.fromEntries(staged) } : {}) };
  if (published.every(({ place }) => place.place === undefined)) return outputs;
  return { ...outputs, ciPlatform: { jenkins: { clouds: { images: ids } } }, plans: pulumi.secret(plans) };
}

/** The output, but unknown until the resources are made. */
export function onceMade<T>(output: pulumi.Output<T>, resources: readonly pulumi.Resource[]): pulumi.Output<T> {
  const made = resources.map((resource) => (resource as pulumi.CustomResource).id);
  return pulumi.output(made).apply(() => output as pulumi.Output<unknown>) as pulumi.Output<T>;
}
