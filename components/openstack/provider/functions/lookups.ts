// Lookups on an OpenStack that the program makes before it declares anything.
import { UserError } from "../../../../common/user-error.ts";
import { labelKey } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { fittingBases, nearNames } from "../base-images.ts";
import { findImage, imagesWith, isComplete, isProven, labelOf, listImages, planOf, type Image } from "../images.ts";
import { Region } from "../region.ts";
import { sealingOf, serversWith } from "../servers.ts";
import { openSession } from "../session.ts";
import * as contract from "../../contract.ts";
import { sortBuilders } from "../../../../provider/kit/builders.ts";
import { answer } from "../../../../provider/resource.ts";

export const regions = answer(contract.regions, async (_inputs, { signal }) => {
  const session = openSession();
  const { region, notices, authUrl } = session.credentials;
  const found = await session.regions(signal);
  const usual = region ?? (found.length === 1 ? found[0] : undefined);
  return { regions: found, usual, notices, ...(notices.length > 0 && { authUrl }) };
});

export const resolveBase = answer(
  contract.resolveBase,
  async ({ region: name, distribution, base, architecture, chosen, section = "rackspace" }, context) => {
    const region = new Region(name, context);
    if (chosen?.id !== undefined) {
      const image = await findImage(region, chosen.id);
      if (image?.status === "active") return described(image);
      const state = image ? `is ${image.status}` : "does not exist, or this project can't see it";
      throw gone(
        await listImages(region, { status: "active" }),
        name,
        distribution,
        section,
        `image ${chosen.id} ${state}`,
      );
    }
    const images = await listImages(region, { status: "active" });
    const fitting =
      chosen?.name === undefined
        ? fittingBases(images, base, architecture)
        : images.filter((image) => image.name === chosen.name);
    const [newest] = fitting;
    if (newest === undefined) {
      const looked =
        chosen?.name === undefined
          ? `whose name or properties say ${distribution} (${architecture})`
          : `named "${chosen.name}"`;
      throw gone(images, name, distribution, section, `there is no active image ${looked}`);
    }
    const others = [...new Set(fitting.map((image) => image.name))];
    // Versions of one image differ by a date in the name: use the newest. Names that differ in words are ambiguous.
    const kinds = new Set(others.map((each) => each.replaceAll(/[\d.]+/g, "0")));
    const notice =
      kinds.size > 1
        ? `${kinds.size} kinds of images fit ${distribution} in ${name} (${others.slice(0, 4).join(", ")}); using the newest; to choose another, set ci-images:${section}.bases.${distribution}.name`
        : undefined;
    return { ...described(newest), notice };
  },
);

function described(image: Image): { id: string; description: string } {
  return { id: image.id, description: `${image.name} of ${image.created_at.slice(0, 10)}` };
}

function gone(images: Image[], region: string, distribution: string, section: string, found: string): UserError {
  return new UserError({
    where: `base image of ${distribution} in region ${region}`,
    found,
    allowed: `similar names: ${nearNames(images, distribution).join(", ") || "the region has no images"}`,
    cure: `set ci-images:${section}.bases.${distribution}.name (or .id) to one of them, or upload an image`,
  });
}

export const survey = answer(contract.survey, async ({ region: name, worker, ...owner }, context) => {
  const region = new Region(name, context);
  const [images, servers] = await Promise.all([
    imagesWith(region, { ...owner, role: "image" }),
    serversWith(region, { ...owner, role: "builder" }),
  ]);
  const builders = servers.map((server) => ({
    labels: server.metadata,
    recipe: server.metadata[labelKey(openstackLabels, "recipe")],
    isSealed: sealingOf(server) === "done" && server.status === "SHUTOFF",
  }));
  return {
    images: images.filter(isComplete).map((image) => ({
      id: image.id,
      recipe: labelOf(image, "recipe") ?? "",
      name: labelOf(image, "name") ?? "",
      builtAt: image.created_at,
      proven: isProven(image),
      plan: planOf(image),
    })),
    ...sortBuilders(openstackLabels, builders, worker),
  };
});
