// Surveys a stack's images and builders on EC2: found by tags, whatever is in the state.
import type { Image, Instance } from "@aws-sdk/client-ec2";
import { wantedImageName } from "../../facts/image-names.ts";
import { builderOf, tagKey, tagNames } from "../../facts/tags.ts";
import type { UselessImage } from "../../facts/blocking-image.ts";
import { cloudLabels, type Labels } from "../../../../common/labels.ts";
import { ec2Labels } from "../../facts/labels.ts";
import { asking } from "../client.ts";
import { imageProgress, imageReason, isUsable } from "../images.ts";
import { findImages, findInstances, findUntaggedImages, tagsOf } from "../tagged-resources.ts";
import { survey, type SurveyedImage } from "../../contract.ts";
import { sortBuilders } from "../../../../provider/kit/builders.ts";
import { answer } from "../../../../provider/resource.ts";

export const ec2Survey = answer(survey, async ({ region, copyTo, project, stack, distribution, worker }) => {
  const labels = (role: Labels["role"]) => cloudLabels(ec2Labels, { project, stack, distribution, role });
  return asking(`looking for images of ${distribution} in ${region}`, async () => {
    const [machines, found, ...foundCopies] = await Promise.all([
      findInstances(region, labels("builder")),
      findImages(region, labels("image")),
      ...copyTo.map((place) => findImages(place, labels("image"))),
    ]);
    const useless = [found, ...foundCopies].flatMap((each, index) => uselessIn([region, ...copyTo][index], each));
    const [images, ...copies] = [found, ...foundCopies].map((each) => each.filter(isUsable));
    const recipes = new Set(images.map(recipeOf));
    const names = images.map(({ Name }) => Name!);
    const untagged = await Promise.all(copyTo.map((place) => findUntaggedImages(place, names)));
    for (const [index, each] of copies.entries()) {
      const orphans = each.filter((copy) => !recipes.has(recipeOf(copy)));
      const reason = `a copy whose image in ${region} is gone`;
      useless.push(
        ...orphans.map((copy) => ({ ...uselessImage(copyTo[index], copy), reason, kind: "orphaned" as const })),
      );
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
    const builders = machines.map((machine) => {
      const tags = tagsOf(machine);
      return { labels: tags, recipe: recipeOf(machine), isSealed: isSealed(machine) };
    });
    return { generations, ...sortBuilders(ec2Labels, builders, worker), useless };
  });
});

/** Whether it waits for its image. The lease ends one that somebody has started. */
function isSealed(builder: Instance): boolean {
  return tagsOf(builder)[tagNames.sealing] === "done" && builder.State?.Name !== "running";
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
    kind: imageProgress(image) === "failed" ? "failed" : "disabled",
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
