// Surveys a stack's images and builders on EC2: found by tags, whatever is in the state.
import type { Image, Instance } from "@aws-sdk/client-ec2";
import { wantedImageName } from "../../facts/image-names.ts";
import { builderOf, tagKey, tagNames } from "../../facts/tags.ts";
import type { UselessImage } from "../../facts/blocking-image.ts";
import { cloudLabels, isOfWorker, isPast, type Labels } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { asking } from "../client.ts";
import { imageProgress, imageReason } from "../images.ts";
import { findImages, findInstances, findUntaggedImages, tagsOf } from "../tagged-resources.ts";
import { survey, type SurveyedImage } from "../../contract.ts";
import { answer } from "../../../../provider/resource.ts";

export const ec2Survey = answer(survey, async ({ region, copyTo, project, stack, distribution, worker }) => {
  const labels = (role: Labels["role"]) => cloudLabels(ec2Labels, { project, stack, distribution, role });
  return asking(`looking for images of ${distribution} in ${region}`, async () => {
    const [allBuilders, found, ...foundCopies] = await Promise.all([
      findInstances(region, labels("builder")),
      findImages(region, labels("image")),
      ...copyTo.map((place) => findImages(place, labels("image"))),
    ]);
    const builders = allBuilders.filter((builder) => isOfWorker(ec2Labels, tagsOf(builder), worker));
    const useless = [found, ...foundCopies].flatMap((each, index) => uselessIn([region, ...copyTo][index], each));
    const [images, ...copies] = [found, ...foundCopies].map((each) => each.filter(isUsable));
    const recipes = new Set(images.map(recipeOf));
    const names = images.map(({ Name }) => Name!);
    const untagged = await Promise.all(copyTo.map((place) => findUntaggedImages(place, names)));
    for (const [index, each] of copies.entries()) {
      const orphans = each.filter((copy) => !recipes.has(recipeOf(copy)));
      const reason = `a copy whose image in ${region} is gone`;
      useless.push(...orphans.map((copy) => ({ ...uselessImage(copyTo[index], copy), reason })));
    }
    for (const [index, each] of untagged.entries()) {
      for (const copy of each.filter((copy) => !isUsable(copy))) {
        const recipe = recipeOf(images.find((image) => isNamedAlike(copy, image))!);
        useless.push({ ...uselessImage(copyTo[index], copy), recipe });
      }
    }
    const generations = images.map((image) => {
      const there = copyTo.flatMap((place, index) => {
        const copy =
          copies[index].find((other) => recipeOf(other) === recipeOf(image) && isNamedAlike(other, image)) ??
          untagged[index].find((other) => isUsable(other) && isNamedAlike(other, image));
        return copy ? [[place, copy.ImageId!] as const] : [];
      });
      return generationOf(image, Object.fromEntries(there));
    });
    generations.sort((a, b) => b.builtAt.localeCompare(a.builtAt));
    const sealed = builders.filter(isSealed);
    return { generations, builders: builders.map(recipeOf), sealed: sealed.map(recipeOf), useless };
  });
});

/** Whether the lease keeps it: it ends one that somebody started, and one past its deadline. */
function isSealed(builder: Instance): boolean {
  const { [tagNames.sealing]: sealing, [tagKey("expires")]: expires } = tagsOf(builder);
  return sealing === "done" && builder.State?.Name !== "running" && !isPast(expires);
}

/** Includes images that AWS is still making: a bake waits for them, and a second one couldn't have the same name. */
function isUsable(image: Image): boolean {
  return ["available", "under way"].includes(imageProgress(image));
}

function uselessIn(region: string, images: readonly Image[]): UselessImage[] {
  return images.filter((image) => !isUsable(image)).map((image) => uselessImage(region, image));
}

function uselessImage(region: string, image: Image): UselessImage {
  return {
    region,
    id: image.ImageId!,
    name: image.Name!,
    recipe: recipeOf(image),
    reason: `${image.State}: ${imageReason(image)}`,
    failed: imageProgress(image) === "failed",
  };
}

/** Whether both names belong to the same image, in any attempt. */
function isNamedAlike(one: Image, other: Image): boolean {
  return wantedImageName(one.Name!) === wantedImageName(other.Name!);
}

function recipeOf(thing: Image | Instance): string {
  return tagsOf(thing)[tagKey("recipe")] ?? "";
}

function generationOf(image: Image, copies: Record<string, string>): SurveyedImage {
  const tags = tagsOf(image);
  const builder = builderOf(tags[tagNames.builder]);
  const baseId = tags[tagKey("base")] ?? "";
  return {
    recipe: recipeOf(image),
    proven: tags[tagNames.proven] !== undefined,
    base: { id: baseId, description: tags[tagNames.baseDescription] ?? baseId },
    builtAt: new Date(image.CreationDate!).toISOString(),
    name: tags[tagNames.recipeName] ?? "",
    location: image.ImageId!,
    imageName: image.Name!,
    ...(builder && { builder }),
    copies,
  };
}
