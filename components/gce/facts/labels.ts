// Labels and names on Compute Engine.
import { unpackFacts } from "../../../common/image-facts.ts";
import { cloudLabels, cloudName, labelKey, type LabelRules, type Labels } from "../../../common/labels.ts";
import { sha256 } from "../../../provision/plan/digest.ts";

export const gceLabels: LabelRules = {
  prefix: "ci-images-",
  value: labelText,
  extra: labelText,
  // https://cloud.google.com/compute/docs/naming-resources
  names: { longest: 63, forbidden: /[^a-z0-9-]/g, small: true },
};

/** https://cloud.google.com/compute/docs/labeling-resources: small letters, digits, - and _, at most 63. */
function labelText(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

type Owner = Pick<Labels, "project" | "stack">;
type Found = Readonly<Record<string, string>> | undefined;

const [ownerKey, distributionKey] = [labelKey(gceLabels, "owner"), labelKey(gceLabels, "distribution")];

/**
 * The labels of what we make. If project and stack differ from their labels, a digest is added, which tells the owner
 * apart from others with the same labels: stacks `Prod.v1` and `prod-v1`.
 * @param extra The stack setting `tags`.
 */
export function ownLabels(
  labels: Owner & Partial<Labels>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const digest = ownerDigest(labels);
  return { ...cloudLabels(gceLabels, labels, extra), ...(digest !== undefined && { [ownerKey]: digest }) };
}

/** Whether a machine with the labels of the owner's project and stack is really the owner's. */
export function isMachineOf(owner: Owner, labels: Found): boolean {
  return labels?.[ownerKey] === ownerDigest(owner);
}

/**
 * The owner of something that others have made: `PROJECT/STACK`, as labels.
 * @param own Our labels.
 * @returns undefined if it is ours, or has no owner.
 */
export function otherOwner(found: Found, own: Readonly<Record<string, string>>): string | undefined {
  const [project, stack] = [labelKey(gceLabels, "project"), labelKey(gceLabels, "stack")];
  if (found?.[project] === undefined) return undefined;
  const isOurs = found[project] === own[project] && found[stack] === own[stack];
  const isExact = found[ownerKey] === undefined || found[ownerKey] === own[ownerKey];
  return isOurs && isExact ? undefined : `${found[project]}/${found[stack]}`;
}

/** What an image's name is made from. */
interface Named {
  /** The recipe's name. */
  name: string;
  distribution: string;
  /** The recipe hash. */
  recipe: string;
}

/** An image's name. */
export function imageName(stack: string, { name, distribution, recipe }: Named): string {
  return cloudName(gceLabels, stack, name, distribution, recipe.slice(0, 12));
}

/**
 * Whether an image with the labels of the owner's project and stack is really the owner's. Images of older versions have
 * no label for it, but their names have a digest if the stack's name differs from its label. Without the facts that the
 * name is made from, the labels of project and stack are enough.
 */
export function isImageOf(owner: Owner, image: { name: string; labels?: Found; description?: string }): boolean {
  const { [ownerKey]: digest, [distributionKey]: distribution } = image.labels ?? {};
  if (digest !== undefined) return digest === ownerDigest(owner);
  const { name, recipe } = unpackFacts(image.description) ?? {};
  if (typeof name !== "string" || typeof recipe !== "string" || distribution === undefined) return true;
  const digestOf = (text: string) => /-([0-9a-f]{8})-[0-9a-f]{12}$/.exec(text)?.[1];
  return digestOf(image.name) === digestOf(imageName(owner.stack, { name, distribution, recipe }));
}

/** Undefined if the labels alone are enough. */
function ownerDigest({ project, stack }: Owner): string | undefined {
  if (labelText(project) === project && labelText(stack) === stack) return undefined;
  return sha256(JSON.stringify([project, stack])).slice(0, 16);
}
