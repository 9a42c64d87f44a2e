// Queries that the program makes to an OpenStack before it declares anything.
import { UserError } from "../../../../common/user-error.ts";
import { isPast, labelKey, isOfWorker } from "../../../../common/labels.ts";
import { openstackLabels } from "../../facts/labels.ts";
import { fittingBases, nearNames, type Architecture, type BaseDescription } from "../base-images.ts";
import { findImage, imagesWith, isComplete, isProven, labelOf, listImages, planOf, type Image } from "../images.ts";
import { Region } from "../region.ts";
import { sealingOf, serversWith } from "../servers.ts";
import { openSession } from "../session.ts";
import type { FunctionType } from "../../../../provider/from-schema.ts";

interface Regions {
  /** Regions with a compute service. */
  regions: string[];
  /** The region that the credentials name, or the only one. */
  usual?: string;
  /** Keystone's address, if the official provider can't use the one in OS_AUTH_URL. */
  authUrl?: string;
  notices: string[];
}

/** `ci-images:rackspace:regions`: logs in and lists the regions. */
export const regions: FunctionType<object, Regions> = {
  token: "ci-images:rackspace:regions",
  async call(_inputs, { signal }) {
    const session = openSession();
    const { region, notices, authUrl } = session.credentials;
    const found = await session.regions(signal);
    const usual = region ?? (found.length === 1 ? found[0] : undefined);
    return { regions: found, usual, notices, ...(notices.length > 0 && { authUrl }) };
  },
};

interface ResolveBaseInputs {
  region: string;
  /** The distribution's id, for messages. */
  distribution: string;
  base: BaseDescription;
  architecture: Architecture;
  /** Where the stack's file has the settings: `openstack`; `rackspace` by default. */
  section?: string;
  /** The user's own choice instead. */
  chosen?: { id?: string; name?: string };
}

/** `ci-images:rackspace:resolveBase`: finds the base image. */
export const resolveBase: FunctionType<ResolveBaseInputs, { id: string; description: string; notice?: string }> = {
  token: "ci-images:rackspace:resolveBase",
  async call({ region: name, distribution, base, architecture, chosen, section = "rackspace" }, context) {
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
    // Versions of one image differ by a date in the name, and the newest is used; names that differ in words are
    // ambiguous.
    const kinds = new Set(others.map((each) => each.replaceAll(/[\d.]+/g, "0")));
    const notice =
      kinds.size > 1
        ? `${kinds.size} kinds of images fit ${distribution} in ${name} (${others.slice(0, 4).join(", ")}); using the newest; to choose another, set ci-images:${section}.bases.${distribution}.name`
        : undefined;
    return { ...described(newest), notice };
  },
};

function described(image: Image): { id: string; description: string } {
  return { id: image.id, description: `${image.name} of ${image.created_at.slice(0, 10)}` };
}

function gone(images: Image[], region: string, distribution: string, section: string, found: string): UserError {
  return new UserError({
    where: `base image of ${distribution} in region ${region}`,
    found,
    allowed: `similar names: ${nearNames(images, distribution).join(", ") || "the region has no image at all"}`,
    cure: `set ci-images:${section}.bases.${distribution}.name (or .id) to one of them, or upload an image`,
  });
}

interface Owner {
  region: string;
  project: string;
  stack: string;
  distribution: string;
  /** Whose builders, where the stack has several worker images of the distribution. */
  worker?: string;
}

interface Surveyed {
  images: { id: string; recipe: string; name: string; builtAt: string; proven: boolean; plan?: unknown }[];
  /** Recipe hashes of existing builders. */
  builders: string[];
  /** Recipe hashes of builders that were sealed and stopped and have not expired. */
  sealed: string[];
}

/** `ci-images:rackspace:survey`: the stack's images of one distribution, newest first, and its builders. */
export const survey: FunctionType<Owner, Surveyed> = {
  token: "ci-images:rackspace:survey",
  async call({ region: name, worker, ...owner }, context) {
    const region = new Region(name, context);
    const [images, found] = await Promise.all([
      imagesWith(region, { ...owner, role: "image" }),
      serversWith(region, { ...owner, role: "builder" }),
    ]);
    const builders = found.filter(({ metadata }) => isOfWorker(openstackLabels, metadata, worker));
    const [recipe, expires] = [labelKey(openstackLabels, "recipe"), labelKey(openstackLabels, "expires")];
    const sealed = builders.filter(
      (server) => sealingOf(server) === "done" && server.status === "SHUTOFF" && !isPast(server.metadata[expires]),
    );
    return {
      images: images.filter(isComplete).map((image) => ({
        id: image.id,
        recipe: labelOf(image, "recipe") ?? "",
        name: labelOf(image, "name") ?? "",
        builtAt: image.created_at,
        proven: isProven(image),
        plan: planOf(image),
      })),
      builders: builders.map(({ metadata }) => metadata[recipe]),
      sealed: sealed.map(({ metadata }) => metadata[recipe]),
    };
  },
};
