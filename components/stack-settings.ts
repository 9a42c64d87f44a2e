// The stack's settings: the keys of Pulumi.<stack>.yaml under `ci-images:`, read once and checked as a whole. A cloud's
// settings are under its name and described in its folder.
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
  /** False publishes images without booting them first. */
  enabled: boolean;
  /** The firmware that `local` boots them with. */
  firmware: "uefi" | "bios";
}

export interface Settings {
  /** Which cloud the stack is for. */
  cloud: string;
  /** Where images are baked: in the cloud, or on this computer, to be imported into the cloud. */
  bakery: "cloud" | "local";
  /**
   * A finished image on this computer that the stack imports in place of baking a recipe: its folder, relative to the
   * project.
   */
  image?: string;
  /** The recipe's path, relative to the project; of several, the first one's. */
  recipe: string;
  /** The recipes that the stack bakes side by side, in the order of the settings: one, unless `ci-images:recipes` is set. */
  recipes: RecipeSettings[];
  /** Distributions to bake in place of the recipe's own. */
  distributions?: string[];
  /** `latest` bakes again when the base image has a newer version; `pinned` keeps the base of the newest image. */
  base: "latest" | "pinned";
  /** The disk's size in place of the recipe's own: `8G`. */
  size?: string;
  /** Image formats in place of the recipe's; only `local` writes several. */
  formats?: string[];
  /** Whether builders of `local` start from layers, and are kept as layers. */
  layers: boolean;
  /** How many generations to keep besides the newest. */
  keep: number;
  /** Seconds after which a machine of a bake ends itself. */
  maxLifetimeSeconds: number;
  verify: Verify;
  /** The last stage of a bake. Before `image`, the builder stays. */
  stage: Stage;
  /** Whether the builder of such a stage runs. */
  power: Power;
  /** Where `local` keeps images, relative to the project. */
  imageDirectory: string;
  /**
   * A mirror URL for each distribution (`debian`, `ubuntu`); by default, packages come from where this computer's do.
   */
  mirrors: Record<string, string>;
  /** A folder with the user's own modules, relative to the project. */
  modules?: string;
  /** Values for `{ secret: NAME }`, as stored in the stack. */
  secrets?: unknown;
  /** Who may connect to a bake's machines by SSH, in CIDR form; by default, this computer's own public address. */
  sshFrom?: string[];
  /** The host that connections to a bake's machines go through. */
  bastion?: BastionSettings;
  /** What a builder of this stack costs per hour, `0.0416 USD`: only shown by `status`. */
  pricePerHour?: string;
  /** Tags (labels, properties) on everything that is made, in addition to our own. */
  tags: Record<string, string>;
  /** A file, relative to the project, that changes the arguments of the underlying resources; see transforms.ts. */
  transforms?: string;
}

/** One recipe of a stack that bakes several, with the settings that it has for itself: those of a cloud are under the cloud's name. */
export interface RecipeSettings extends Pick<Partial<Settings>, "keep" | "size" | "formats" | "distributions"> {
  /** The recipe's path, relative to the project. */
  recipe: string;
  [cloud: string]: unknown;
}

const cidr =
  "^([0-9]{1,3}(\\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/([0-9]{1,2}|1[01][0-9]|12[0-8]))$";

// Checked with the recipe, whose keys they stand for.
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

/** The names of all settings; docs/settings.md describes each, those of one cloud in the cloud's page. */
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

/** The list of recipes, each with what can be set for it alone. */
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
  const text = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(prefix));
  return checkSettings(
    `Pulumi.${pulumi.getStack()}.yaml`,
    prefix,
    Object.fromEntries(text.map(([key, value]) => [key.slice(prefix.length), parse(value)])),
  );
}

/**
 * Checks settings and fills in the defaults. `S` has the settings of the clouds that the caller reads, too.
 * @param where The file that they stand in, for messages.
 * @param prefix Stands before every key there: `ci-images:`.
 * @throws UserError with every wrong key together.
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
  // An image on this computer was baked here.
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

/** A recipe that is only a file has no settings of its own. */
function listedRecipes(listed: unknown): RecipeSettings[] {
  if (!Array.isArray(listed)) return []; // the schema's complaint
  return listed.map((each: string | RecipeSettings) => (typeof each === "string" ? { recipe: each } : each));
}

/** Complaints about files that stand in the list twice, however they are written. */
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
 * The settings that count for one recipe.
 * @param own What the list of recipes has for it.
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

/** Keys as written in the file, without secret values. */
function presentable(complaint: Complaint, prefix: string): Complaint {
  const { key, found } = complaint;
  const shown = key === "secrets" || key?.startsWith("secrets.") ? "a value of another kind" : found;
  return { ...complaint, key: key === undefined ? prefix.slice(0, -1) : prefix + key, found: shown };
}

/** Pulumi passes every value as text; objects, numbers and booleans are JSON in it. */
function parse(value: string): unknown {
  if (!/^(\{.*\}|\[.*\]|true|false|\d+)$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    // Text that only looks like JSON stays text.
    return value;
  }
}
