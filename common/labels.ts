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

/** What a cloud allows in labels and names. */
export interface LabelRules {
  /** Begins the name of each of our labels: `ci-images:`. */
  prefix: string;
  /** A label's value as the cloud stores it. */
  value: (text: string) => string;
  /** The name and value of a user's own label as the cloud stores them; unchanged by default. */
  extra?: (text: string) => string;
  /** Names of machines and images. */
  names: {
    /** The most characters. */
    longest: number;
    /** What may not be in one. */
    forbidden: RegExp;
    /** Whether there are only small letters, and the first character has to be one. */
    small: boolean;
  };
}

/** The name under which a cloud has a label: `ci-images:recipe`, `ci-images-recipe`, `ci_images_recipe`. */
export function labelKey({ prefix }: LabelRules, label: string): string {
  return prefix + label;
}

/**
 * Labels as a cloud takes them: tags, labels, metadata, image properties.
 * @param extra The stack setting `tags`; ours win.
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

/**
 * A name that the cloud allows, made of parts with `-` between them. Where something has to be changed or cut, a digest of
 * the whole is put in, so that two names that differ stay two; the last part is kept whole, as it tells things apart.
 * @param parts The last one must have no more than 20 characters.
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
