// Lookups on Google Compute Engine that the program makes before it declares anything.
import { cloudLabels, type Labels } from "../../../../common/labels.ts";
import { gceLabels, isImageOf, isMachineOf, ownLabels } from "../../facts/labels.ts";
import { unpackFacts } from "../../../../common/image-facts.ts";
import { UserError } from "../../../../common/user-error.ts";
import { nearest } from "../../../../common/nearest.ts";
import { findBase, findPinnedBase } from "../bases.ts";
import { Compute } from "../compute.ts";
import { marks, recipeOf, refuseOthersImage } from "../machines.ts";
import { privateRanges } from "../subnetworks.ts";
import { refuseWithoutRoom } from "../quotas.ts";
import { labelFilter, nameOf, type Disk, type Image, type Instance } from "../types.ts";
import * as contract from "../../contract.ts";
import { sortBuilders } from "../../../../provider/kit/builders.ts";
import { answer } from "../../../../provider/resource.ts";

export const gceAccount = answer(contract.account, async ({ project }, context) => {
  const compute = await Compute.open(project, context);
  return { project: compute.project, who: compute.identity.who };
});

export const gceResolveBase = answer(
  contract.resolveBase,
  async ({ project, source, architecture, distribution, pinned }, context) => {
    const compute = await Compute.open(project, context);
    const what = `${distribution} for ${architecture}`;
    return pinned === undefined ? findBase(compute, source, architecture, what) : findPinnedBase(compute, pinned, what);
  },
);

export const gceSurvey = answer(contract.survey, async ({ project, owner, worker }, context) => {
  const compute = await Compute.open(project, context);
  const labelled = (role: Labels["role"]) => labelFilter(cloudLabels(gceLabels, { ...owner, role }));
  const [images, instances, disks] = await Promise.all([
    compute.list<Image>("global/images", labelled("image")),
    compute.listEverywhere<Instance>("instances", labelled("builder")),
    compute.listEverywhere<Disk>("disks", labelled("builder")),
  ]);
  const retired = disks.filter(({ labels }) => labels?.[marks.retired] !== undefined).map(({ name }) => name);
  const builders = instances
    .filter(({ labels }) => isMachineOf(owner, labels))
    .map((instance) => ({
      labels: instance.labels,
      recipe: recipeOf(instance),
      isSealed: retired.includes(instance.name) && instance.status === "TERMINATED",
    }));
  const own = images
    .filter((image) => isImageOf(owner, image))
    .map((image) => ({ image, facts: unpackFacts(image.description) as contract.Facts | undefined }));
  const surveyed = own
    .flatMap(({ image, facts }) => (image.status === "READY" && facts ? [surveyedImage(image, facts)] : []))
    .sort((a, b) => (a.builtAt < b.builtAt ? 1 : -1));
  const unfinished = own
    .filter(({ image: { status } }) => status !== "READY")
    .map(({ image: { name: image, status } }) => ({ image, status }));
  return { images: surveyed, ...sortBuilders(gceLabels, builders, worker), unfinished };
});

function surveyedImage(image: Image, facts: contract.Facts): contract.SurveyedImage {
  return {
    image: image.name,
    selfLink: image.selfLink,
    builtAt: new Date(image.creationTimestamp).toISOString(),
    proven: image.labels?.[marks.verified] !== undefined,
    facts,
  };
}

interface Named {
  name: string;
  status?: string;
  architecture?: string;
  /** Of a machine type. */
  guestCpus?: number;
}

export const gcePreflight = answer(
  contract.preflight,
  async ({ project, zone, machineType, architecture, network, room, inside, image }, context) => {
    const compute = await Compute.open(project, context);
    const setting = (key: string) => `stack setting ci-images:gce.${key}`;
    const refuse = async (key: string, value: string, list: string): Promise<never> => {
      const names = (await compute.list<Named>(list)).map(({ name }) => name);
      const near = nearest(value, names);
      const allowed = names.length <= 20 ? names.join(", ") : undefined;
      const cure = near && `did you mean ${near}?`;
      throw new UserError({ where: setting(key), found: `project ${project} has no ${key} ${value}`, allowed, cure });
    };
    const there = await compute.find<Named>(`zones/${zone}`);
    if (there === undefined) return refuse("zone", zone, "zones");
    if (there.status !== "UP") {
      throw new UserError({ where: setting("zone"), found: `${zone} is ${there.status}`, cure: "use another zone" });
    }
    const type = await compute.find<Named>(`zones/${zone}/machineTypes/${machineType}`);
    if (type === undefined) return refuse("machineType", machineType, `zones/${zone}/machineTypes`);
    const fits = { amd64: "X86_64", arm64: "ARM64" }[architecture];
    if (type.architecture !== undefined && type.architecture !== fits) {
      const found = `${machineType} is for ${type.architecture}`;
      throw new UserError({ where: setting("machineType"), found, allowed: `a machine type for ${fits}` });
    }
    if (network !== undefined && !(await compute.find<Named>(`global/networks/${nameOf(network)}`))) {
      return refuse("network", network, "global/networks");
    }
    const present = image && (await compute.find<Image>(`global/images/${image.name}`));
    if (present) refuseOthersImage(compute, present, ownLabels(image.owner));
    if (room) await refuseWithoutRoom(compute, { ...room, zone, machineType, cpus: type.guestCpus ?? 0 });
    return inside === undefined ? {} : { ranges: await privateRanges(compute, zone, inside) };
  },
);
