// What everything that we make in a cloud carries, so that an image is found again by its recipe and a leftover by its
// owner and its expiry; and the names that clouds allow. The program writes these, the provider looks for them.
import { createHash } from "node:crypto";

/** What a thing in a cloud is for. */
export type Role = "builder" | "trial" | "image";

/** The facts that everything of ours carries. */
export interface Labels {
  project: string;
  stack: string;
  /** The distribution's id: `debian12`. */
  distribution: string;
  /** The recipe hash. */
  recipe: string;
  role: Role;
  /** The base image: an AMI id, a GCE image's name. */
  base: string;
  /** When a machine, or an image that was never proven, may be swept away; see {@link formatExpiry}. */
  expires?: string;
}

/** Which of them tell whose a thing is. */
export const ownerLabels = ["project", "stack", "distribution", "role"] as const;

/** Stands before the name of every label of ours. */
const prefixes = { ec2: "ci-images:", gce: "ci-images-", rackspace: "ci_images_" } as const;

/** A cloud with labels. */
export type LabelledCloud = keyof typeof prefixes;

/** The name under which a cloud has a label: `ci-images:recipe`, `ci-images-recipe`, `ci_images_recipe`. */
export function labelKey(cloud: LabelledCloud, label: string): string {
  return prefixes[cloud] + label;
}

/**
 * Labels as a cloud takes them: tags on ec2, labels on gce, metadata and image properties on rackspace.
 * @param extra The stack setting `tags`; ours win.
 */
export function cloudLabels(
  cloud: LabelledCloud,
  labels: Partial<Labels>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const own = Object.entries(labels)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [labelKey(cloud, key), labelValue(cloud, value)]);
  const others = Object.entries(extra).map(([key, value]) =>
    cloud === "gce" ? [gceText(key), gceText(value)] : [key, value],
  );
  return Object.fromEntries([...others, ...own]) as Record<string, string>;
}

/** A label's value as the cloud stores it: compare what was found with this. GCE cuts at 63 characters. */
export function labelValue(cloud: LabelledCloud, value: string): string {
  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html: 256 characters; Nova and Glance: 255.
  return cloud === "gce" ? gceText(value) : value.slice(0, 255);
}

/** https://cloud.google.com/compute/docs/labeling-resources: small letters, digits, - and _, at most 63. */
function gceText(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

/** A time as all clouds can store it in a label, and people can read it: `20261121T180000Z`. */
export function formatExpiry(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/** @returns undefined for what is no time of ours. Takes gce's small letters, too. */
export function parseExpiry(text: string): Date | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z$/i.exec(text) ?? [];
  if (year === undefined) return undefined;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Whether the time in a label is over. False for what is no time of ours. */
export function isPast(text: string | undefined, now = new Date()): boolean {
  const time = parseExpiry(text ?? "");
  return time !== undefined && time < now;
}

/** Names: the most characters, and what may not be in one. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html,
 * https://cloud.google.com/compute/docs/naming-resources; OpenStack takes 255 characters of any kind. */
const nameRules = {
  ec2: { longest: 128, forbidden: /[^A-Za-z0-9()[\] ./'@_-]/g, small: false },
  gce: { longest: 63, forbidden: /[^a-z0-9-]/g, small: true },
  rackspace: { longest: 255, forbidden: /[^A-Za-z0-9._-]/g, small: false },
} as const;

/**
 * A name that the cloud allows, made of parts with `-` between them. Where something has to be changed or cut, a digest of
 * the whole is put in, so that two names that differ stay two; the last part is kept whole, as it tells things apart.
 * @param parts The last one must have no more than 20 characters.
 */
export function cloudName(cloud: LabelledCloud, ...parts: readonly string[]): string {
  const { longest, forbidden, small } = nameRules[cloud];
  const clean = (text: string) => (small ? text.toLowerCase() : text).replaceAll(forbidden, "-");
  const whole = parts.join("-");
  const beginning = cloud === "gce" && !/^[a-z]/i.test(whole) ? "i-" : "";
  const name = beginning + clean(whole);
  if (name === whole && name.length <= longest) return name;
  const last = parts.at(-1) ?? "";
  if (last.length > 20) throw new RangeError(`"${last}" is too long to be kept whole in a name`);
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
  const end = `-${digest}-${clean(last)}`.replace(/-+$/, "");
  const start = beginning + clean(parts.slice(0, -1).join("-"));
  return start.slice(0, longest - end.length).replace(/-+$/, "") + end;
}
