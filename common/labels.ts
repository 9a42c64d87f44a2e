// Labels and names for everything that we make in a cloud. By its labels, an image can be found by recipe, and a
// leftover by owner and expiry. The program writes labels; the provider searches for them.
import { createHash } from "node:crypto";

/** The purpose of a cloud resource. */
export type Role = "builder" | "trial" | "image";

/** The facts in the labels of every resource. */
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
  /** The worker image, if the stack has several of a distribution: `debian12-docker`. */
  worker?: string;
  /** When a machine, or an image that was never proven, may be swept; see {@link formatExpiry}. */
  expires?: string;
}

/** The labels that identify a resource's owner. */
export const ownerLabels = ["project", "stack", "distribution", "role"] as const;

/** A cloud's rules for labels and names. */
export interface LabelRules {
  /** The prefix of each of our labels: `ci-images:`. */
  prefix: string;
  /** A label's value as the cloud stores it. */
  value: (text: string) => string;
  /** The name and value of a user's own label as the cloud stores them; unchanged by default. */
  extra?: (text: string) => string;
  /** Names of machines and images. */
  names: {
    /** The maximum length. */
    longest: number;
    /** Characters that are not allowed. */
    forbidden: RegExp;
    /** Whether only lower case is allowed, starting with a letter. */
    small: boolean;
  };
}

/**
 * Whether labels found in the cloud belong to a worker image.
 * @param worker Undefined if the stack has only one of the distribution: then there is no such label.
 */
export function isOfWorker(
  rules: LabelRules,
  found: Readonly<Record<string, unknown>> | undefined,
  worker: string | undefined,
): boolean {
  return found?.[labelKey(rules, "worker")] === (worker === undefined ? undefined : rules.value(worker));
}

/** A label's name in a cloud: `ci-images:recipe`, `ci-images-recipe`, `ci_images_recipe`. */
export function labelKey({ prefix }: LabelRules, label: string): string {
  return prefix + label;
}

/**
 * Labels in a cloud's form: tags, labels, metadata, image properties.
 * @param extra The stack setting `tags`; our own labels take precedence.
 */
export function cloudLabels(
  rules: LabelRules,
  labels: Partial<Labels>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { extra: stored = (text) => text } = rules;
  const own = Object.entries(labels)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [labelKey(rules, key), rules.value(value)]);
  const others = Object.entries(extra).map(([key, value]) => [stored(key), stored(value)]);
  return Object.fromEntries([...others, ...own]) as Record<string, string>;
}

/** A time in a form that all clouds can store in a label, and people can read: `20261121T180000Z`. */
export function formatExpiry(time: Date): string {
  return time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/** @returns undefined if the text is not in our format. Also accepts gce's lower case. */
export function parseExpiry(text: string): Date | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z$/i.exec(text) ?? [];
  if (year === undefined) return undefined;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Whether the time in a label has passed. False if it is not in our format. */
export function isPast(text: string | undefined, now = new Date()): boolean {
  const time = parseExpiry(text ?? "");
  return time !== undefined && time < now;
}

/** Whether labels found in the cloud say that a machine is past its deadline: the next `pulumi up` replaces it. */
export function isExpired(rules: LabelRules, found: Readonly<Record<string, unknown>> | undefined): boolean {
  const expires = found?.[labelKey(rules, "expires")];
  return typeof expires === "string" && isPast(expires);
}

/**
 * A name that the cloud allows, made of parts joined by `-`. If it has to be changed or shortened, a digest of the
 * whole is added to keep names distinct. The last part is always kept whole, because it distinguishes resources.
 * @param parts The last one must have at most 20 characters.
 */
export function cloudName({ names }: LabelRules, ...parts: readonly string[]): string {
  const { longest, forbidden, small } = names;
  const clean = (text: string) => (small ? text.toLowerCase() : text).replaceAll(forbidden, "-");
  const whole = parts.join("-");
  const beginning = small && !/^[a-z]/i.test(whole) ? "i-" : "";
  const name = beginning + clean(whole);
  if (name === whole && name.length <= longest) return name;
  const last = parts.at(-1) ?? "";
  if (last.length > 20) throw new RangeError(`"${last}" is too long to be kept whole in a name`);
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
  const end = `-${digest}-${clean(last)}`.replace(/-+$/, "");
  const start = beginning + clean(parts.slice(0, -1).join("-"));
  return start.slice(0, longest - end.length).replace(/-+$/, "") + end;
}
