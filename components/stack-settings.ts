// The stack's settings: the keys of Pulumi.<stack>.yaml that begin with `ci-images:`. They are read once and checked
// together. A cloud's own settings are under its name; the schema for them is in its folder.
import { normalize } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { priceForm, pricePattern } from "../common/price.ts";
import { UserError, type Complaint } from "../common/user-error.ts";
import type { Schema } from "../provision/recipe/schema.ts";
import { durationForm, parseDuration } from "../common/sizes.ts";
import { complaintsOf } from "../provision/recipe/validate.ts";
import { bastionSchema, parseBastion, type BastionSettings } from "./shared/bastion.ts";
import { clouds } from "./clouds.ts";
import { stages, type Power, type Stage } from "./stages.ts";

/** How finished images are verified. */
export interface Verify {
  /** Whether images are booted before they are published. */
  enabled: boolean;
  /** The firmware with which `local` boots them. */
  firmware: "uefi" | "bios";
}

export interface Settings {
  /** The stack's cloud. */
  cloud: string;
  /** Where images are baked: in the cloud, or on this computer, to be imported into the cloud. */
  bakery: "cloud" | "local";
  /**
   * The folder of a finished image on this computer, relative to the project. The stack imports it instead of baking a
   * recipe.
   */
  image?: string;
  /** The path of the (first) recipe, relative to the project. */
  recipe: string;
  /** All recipes that the stack bakes: those in `ci-images:recipes`, or only `recipe`. */
  recipes: RecipeSettings[];
  /** Distributions to bake instead of the recipe's. */
  distributions?: string[];
  /** `latest` bakes again when the base image has a newer version; `pinned` keeps the base of the newest image. */
  base: "latest" | "pinned";
  /** The disk's size (`8G`) instead of the recipe's. */
  size?: string;
  /** Image formats instead of the recipe's; only `local` writes several. */
  formats?: string[];
  /** Whether builders of `local` start from layers and leave new ones. */
  layers: boolean;
  /** How many generations to keep besides the newest. */
  keep: number;
  /** Seconds after which a machine of a bake ends itself. */
  maxLifetimeSeconds: number;
  verify: Verify;
  /** The last stage of a bake. At stages before `image`, the builder stays. */
  stage: Stage;
  /** Whether a builder that stays is running. */
  power: Power;
  /** Where `local` keeps images, relative to the project. */
  imageDirectory: string;
  /**
   * Mirror URLs by distribution (`debian`, `ubuntu`); by default, the mirror that this computer itself uses.
   */
  mirrors: Record<string, string>;
  /** The folder of the user's own modules, relative to the project. */
  modules?: string;
  /** Values for `{ secret: NAME }`, as stored in the stack. */
  secrets?: unknown;
  /**
   * Addresses that may connect to a bake's machines by SSH, in CIDR form; by default, this computer's public address.
   */
  sshFrom?: string[];
  /** The host that connections to a bake's machines go through. */
  bastion?: BastionSettings;
  /** The price of a builder per hour (`0.0416 USD`), from which `status` computes the cost. */
  pricePerHour?: string;
  /** Tags (labels, properties) of everything that is made, in addition to our own. */
  tags: Record<string, string>;
  /** The path of a file that changes the arguments of resources, relative to the project; see transforms.ts. */
  transforms?: string;
}

/** One recipe of the list `ci-images:recipes`, with settings for it alone; a cloud's settings are under its name. */
export interface RecipeSettings extends Pick<Partial<Settings>, "keep" | "size" | "formats" | "distributions"> {
  /** The recipe's path, relative to the project. */
  recipe: string;
  [cloud: string]: unknown;
}

const cidr =
  "^([0-9]{1,3}(\\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/([0-9]{1,2}|1[01][0-9]|12[0-8]))$";

// These replace keys of the recipe and are checked in detail with it.
const size = { type: "string" };
const formats = { type: "array", items: { type: "string" }, minItems: 1 };
const distributions = { type: "array", items: { type: "string" }, minItems: 1 };
const keep = { type: "integer", minimum: 0 };

const schema: Schema & { properties: Record<string, Schema> } = {
  type: "object",
  additionalProperties: false,
  properties: {
    bakery: { enum: ["cloud", "local"], default: "cloud" },
    image: { type: "string", minLength: 1 },
    recipe: { type: "string", default: "provision/recipes/jenkins-worker.yaml" },
    distributions,
    base: { enum: ["latest", "pinned"], default: "latest" },
    ...{ size, formats },
    layers: { type: "boolean", default: true },
    keep: { ...keep, default: 1 },
    maxLifetime: { type: "string", default: "4 hours" },
    verify: {
      anyOf: [
        { type: "boolean" },
        {
          type: "object",
          additionalProperties: false,
          properties: { enabled: { type: "boolean" }, firmware: { enum: ["uefi", "bios"] } },
        },
      ],
      default: true,
    },
    stage: { enum: stages, default: "image" },
    power: { enum: ["on", "off"], default: "on" },
    imageDirectory: { type: "string", default: "images" },
    mirrors: { type: "object", additionalProperties: { type: "string", pattern: "^https?://" }, default: {} },
    modules: { type: "string" },
    secrets: { type: "object", additionalProperties: { type: "string" } },
    sshFrom: {
      type: "array",
      minItems: 1,
      items: { type: "string", pattern: cidr, description: "addresses in CIDR form: 203.0.113.7/32" },
    },
    bastion: bastionSchema,
    pricePerHour: { type: "string", pattern: pricePattern, description: priceForm },
    tags: { type: "object", additionalProperties: { type: "string" }, default: {} },
    transforms: { type: "string" },
  },
};

/** The names of all settings. docs/settings.md describes each one, or the page of its cloud. */
export function settingNames(): string[] {
  return Object.keys(wholeSchema().properties);
}

/** The settings of all stacks, with those of every cloud under its name. */
function wholeSchema() {
  const cloud = { enum: clouds.map(({ name }) => name), default: clouds[0].name };
  const own = clouds.flatMap(({ name, settings }) => (settings ? [[name, { ...settings, default: {} }] as const] : []));
  const recipes = recipesSchema();
  return { ...schema, properties: { cloud, ...schema.properties, recipes, ...Object.fromEntries(own) } };
}

/** The schema of `ci-images:recipes`: each recipe with the settings that can differ for it. */
function recipesSchema(): Schema {
  const own = clouds.flatMap(({ name, settings, recipeSettings = [] }) => {
    const properties = recipeSettings.map((key) => [key, withoutDefault(settings!.properties[key])] as const);
    return [
      [name, { type: "object", additionalProperties: false, properties: Object.fromEntries(properties) }] as const,
    ];
  });
  const properties = { recipe: { type: "string", minLength: 1 }, keep, size, formats, distributions };
  const entry = { type: "object", additionalProperties: false, required: ["recipe"] };
  return {
    type: "array",
    minItems: 1,
    items: {
      description: "a recipe's file, or a mapping with `recipe` and settings of its own",
      anyOf: [
        { type: "string", minLength: 1 },
        { ...entry, properties: { ...properties, ...Object.fromEntries(own) } },
      ],
    },
  };
}

/**
 * Reads the settings of the selected stack.
 * @throws UserError that reports all wrong keys together.
 */
export function readSettings(): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const values = decodeSettings(prefix, pulumi.runtime.allConfig());
  return checkSettings(`Pulumi.${pulumi.getStack()}.yaml`, prefix, values);
}

/**
 * The values of a configuration's settings, without the prefix. Pulumi passes all values as text, and encodes objects,
 * numbers and booleans as JSON: `2026` may have been a text in the file. It stays one where a text is allowed.
 */
export function decodeSettings(prefix: string, config: Readonly<Record<string, string>>): Record<string, unknown> {
  const { properties } = wholeSchema() as { properties: Record<string, Schema | undefined> };
  const given = Object.entries(config).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(
    given.map(([whole, value]) => {
      const key = whole.slice(prefix.length);
      const isText = properties[key]?.type === "string" && !/^[{[]/.test(value);
      return [key, isText ? value : parse(value)];
    }),
  );
}

/**
 * Checks settings and fills in the defaults. The type parameter adds the settings of the caller's cloud.
 * @param where The file of the settings, for messages.
 * @param prefix The prefix of every key in the file: `ci-images:`.
 * @throws UserError that reports all wrong keys together.
 */
export function checkSettings<S extends Settings = Settings>(
  where: string,
  prefix: string,
  found: Record<string, unknown>,
): S {
  type Own = { architecture?: string; tunnel?: string; [key: string]: unknown };
  type Raw = {
    maxLifetime: string;
    verify: unknown;
    bastion?: Parameters<typeof parseBastion>[0];
    recipes?: (string | RecipeSettings)[];
  };
  const values = structuredClone(found) as unknown as Omit<Settings, keyof Raw> & Raw;
  const complaints = complaintsOf(wholeSchema(), values, where).map((complaint) => presentable(complaint, prefix));
  const { maxLifetime, verify, bastion, recipes, ...others } = values;
  const rest = { ...others, recipes: listedRecipes(recipes ?? [others.recipe]) };
  if (recipes !== undefined) {
    for (const key of ["recipe", "image"]) {
      if (found[key] === undefined) continue;
      complaints.push({
        where,
        key: `${prefix}${key}`,
        found: `set, beside ${prefix}recipes`,
        allowed: "one of the two",
      });
    }
    complaints.push(...listedTwice(rest.recipes, where, `${prefix}recipes`));
    rest.recipe = rest.recipes[0]?.recipe ?? rest.recipe;
  }
  const seconds = typeof maxLifetime === "string" ? parseDuration(maxLifetime) : undefined;
  if (typeof maxLifetime === "string" && (seconds === undefined || seconds < 60)) {
    const allowed = `at least one minute: ${durationForm}`;
    complaints.push({ where, key: `${prefix}maxLifetime`, found: JSON.stringify(maxLifetime), allowed });
  }
  const { isHere, importNeeds } = clouds.find(({ name }) => name === rest.cloud) ?? {};
  if (bastion !== undefined && isHere) {
    const allowed = "a cloud's stack: this computer reaches its own machines directly";
    complaints.push({ where, key: `${prefix}bastion`, found: `set, on \`${rest.cloud}\``, allowed });
  }
  // The image was baked on this computer.
  if (rest.image !== undefined) rest.bakery = "local";
  const { bakery, image, stage } = rest;
  if (image !== undefined && (isHere || !["image", "none"].includes(stage))) {
    const found = isHere ? `set, but \`${rest.cloud}\` already has the image` : `set, with stage ${stage}`;
    complaints.push({ where, key: `${prefix}image`, found, allowed: "a stack of a cloud, at stage image" });
  }
  const own = (rest as unknown as Record<string, Own | undefined>)[rest.cloud];
  if (bakery === "local" && importNeeds && own?.[importNeeds.key] === undefined) {
    const key = `${prefix}${rest.cloud}.${importNeeds.key}`;
    complaints.push({ where, key, found: "not set, with bakery local", allowed: importNeeds.allowed });
  }
  if (bakery === "local" && own?.architecture === "arm64") {
    const allowed = "amd64, which is what this computer bakes";
    complaints.push({ where, key: `${prefix}${rest.cloud}.architecture`, found: "arm64, with bakery local", allowed });
  }
  if (bastion !== undefined && own?.tunnel !== undefined) {
    const found = `${own.tunnel}, and ${prefix}bastion is set`;
    complaints.push({ where, key: `${prefix}${rest.cloud}.tunnel`, found, allowed: "one of them" });
  }
  if (complaints.length > 0) throw new UserError(...complaints);
  const defaults: Verify = { enabled: true, firmware: "uefi" };
  const wanted = typeof verify === "boolean" ? { enabled: verify } : (verify as Partial<Verify>);
  const settings = { ...rest, maxLifetimeSeconds: seconds!, verify: { ...defaults, ...wanted } };
  return (bastion === undefined ? settings : { ...settings, bastion: parseBastion(bastion) }) as unknown as S;
}

/** The entries of the list of recipes. An entry that is only a file has no settings of its own. */
function listedRecipes(listed: unknown): RecipeSettings[] {
  if (!Array.isArray(listed)) return []; // the schema's complaint
  return listed.map((each: string | RecipeSettings) => (typeof each === "string" ? { recipe: each } : each));
}

/** Complaints about files that are listed twice, even with different spellings of the path. */
function listedTwice(recipes: readonly RecipeSettings[], where: string, list: string): Complaint[] {
  const files = recipes.map(({ recipe }) => (typeof recipe === "string" ? normalize(recipe) : undefined));
  return files.flatMap((file, index) => {
    const first = files.indexOf(file);
    if (file === undefined || first === index) return [];
    const found = `${recipes[index].recipe} again, which is ${list}[${first}]`;
    return [{ where, key: `${list}[${index}]`, found, allowed: "each recipe once" }];
  });
}

/**
 * The stack's settings for one recipe.
 * @param own The recipe's entry in the list of recipes, which takes precedence.
 */
export function settingsOf(settings: Settings, own: RecipeSettings): Settings {
  const { recipe, keep, size, formats, distributions, ...clouds } = own;
  const plain = { keep, size, formats, distributions };
  const given = Object.entries(plain).filter(([, value]) => value !== undefined);
  const all = { ...settings, recipe, ...Object.fromEntries(given) };
  const merged = Object.entries(clouds).map(([cloud, values]) => {
    return [cloud, { ...(settings as unknown as Record<string, object>)[cloud], ...(values as object) }];
  });
  return { ...all, ...(Object.fromEntries(merged) as object) };
}

function withoutDefault({ default: _, ...schema }: Schema): Schema {
  return schema;
}

/** The complaint with its key as in the file, and without secret values. */
function presentable(complaint: Complaint, prefix: string): Complaint {
  const { key, found } = complaint;
  const shown = key === "secrets" || key?.startsWith("secrets.") ? "a value of another kind" : found;
  return { ...complaint, key: key === undefined ? prefix.slice(0, -1) : prefix + key, found: shown };
}

/** Parses a value that is JSON. */
function parse(value: string): unknown {
  if (!/^(\{.*\}|\[.*\]|true|false|\d+)$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    // It only looked like JSON.
    return value;
  }
}
