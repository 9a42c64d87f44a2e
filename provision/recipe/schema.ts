// The schema of recipes: checks a recipe when it is read, and helps an editor while it is written.
import { distributions } from "../distributions.ts";
import { kernelArgumentsSchema } from "../plan/kernel-arguments.ts";
import type { ModuleFile } from "../module.ts";
import { durationForm, sizeForm } from "../../common/sizes.ts";

/** A JSON schema (draft-07), untyped. */
export type Schema = { [key: string]: unknown };

/** The formats of an image. */
export const formats = ["qcow2", "raw", "tar", "vhd", "vmdk"] as const;

/** The part of a module that the schema needs. */
export interface DescribedModule {
  /** Its name, with `_` for `-`. */
  name: string;
  file: Pick<ModuleFile, "description" | "settings" | "settingsKey">;
}

/** The key in a recipe that holds a module's settings. */
export function settingsKeyOf({ name, file }: DescribedModule): string {
  return file.settingsKey ?? name;
}

const duration = { type: "string", description: durationForm, examples: ["30 minutes"] };

const base: Schema = {
  type: "object",
  additionalProperties: false,
  description:
    "The source of the root file system: the distribution's mirrors (the default), a tarball of an installed root, a directory, an earlier image, or another recipe.",
  properties: {
    mirror: {
      type: "string",
      pattern: "^(https?|file)://",
      description: "URL of a package mirror of the distribution",
    },
    packages: { type: "array", items: { type: "string" }, description: "More packages for the bootstrapped root" },
    tarball: {
      type: "string",
      description: "Path (relative to the recipe) or http(s) URL of a tarball of an installed root",
    },
    sha256: {
      type: "string",
      pattern: "^[0-9a-fA-F]{64}$",
      description: "The tarball's sha256, 64 hex digits; required for a URL",
    },
    directory: { type: "string", description: "Path of a directory with an installed root; it is copied" },
    image: { type: "string", description: "Path of an earlier image's folder, with manifest.json" },
    recipe: {
      type: "string",
      minLength: 1,
      description: "Path of another recipe: its image, baked by the same stack in the same place, is the base",
    },
  },
};

const test: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["name", "run"],
  properties: {
    name: { type: "string", minLength: 1, description: "The fact that the test checks, in one line" },
    run: { type: "string", minLength: 1, description: "Bash, run as root; exit status 0 means that the test passed" },
    timeout: { ...duration, description: `The time limit (default 60 seconds): ${durationForm}` },
  },
};

/** The keys of a recipe that don't belong to a module. */
export const recipeProperties: Readonly<Record<string, Schema>> = {
  name: {
    type: "string",
    pattern: "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$",
    description: "The image's name: lower-case letters, digits and -, at most 40 (default: the file's name)",
  },
  distribution: { type: "string", description: "The Linux distribution (default debian12)", examples: ["debian12"] },
  distributions: {
    ...{ type: "array", minItems: 1, uniqueItems: true, items: { type: "string" } },
    description: "Several distributions: an image is baked for each",
  },
  base,
  size: { type: "string", description: `The disk's size (default 4G): ${sizeForm}`, default: "4G", examples: ["8G"] },
  formats: {
    ...{ type: "array", minItems: 1, uniqueItems: true, items: { enum: [...formats] } },
    description:
      "The formats of the local image (default qcow2); tar is the EC2-style root, kernel and ramdisk; vhd is for Azure, vmdk for VMware",
  },
  modules: {
    type: "array",
    minItems: 1,
    items: { type: "string" },
    description: "The modules to run, in order",
  },
  kernel_arguments: kernelArgumentsSchema,
  timeouts: {
    type: "object",
    additionalProperties: duration,
    description: "Time limits by module (default 60 minutes)",
  },
  tests: { type: "array", items: test, description: "Acceptance tests, in addition to the modules' own" },
};

/**
 * The schema that checks a recipe when it is read. Unknown keys are checked elsewhere, with better messages.
 * @param modules The listed modules.
 */
export function recipeSchema(modules: readonly DescribedModule[]): Schema {
  return { type: "object", required: ["modules"], properties: propertiesOf(modules) };
}

/**
 * The schema for editors, in provision/recipe.schema.json. It allows unknown keys, which may belong to the user's own
 * modules.
 * @param modules All modules that come with the project.
 */
export function editorSchema(modules: readonly DescribedModule[]): Schema {
  const properties = { ...propertiesOf(modules) };
  for (const key of modules.map(settingsKeyOf)) properties[key] = orSecrets(properties[key] ?? {}) as Schema;
  const known = modules.map(({ name, file }) => ({ const: name, description: file.description }));
  const names = {
    anyOf: [...known, { type: "string", description: "Your own module, in the folder modules beside the recipe" }],
  };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A recipe of ci-images",
    type: "object",
    required: ["modules"],
    definitions: { secret },
    patternProperties: { "^x-": { description: "A place for your anchors; ignored" } },
    properties: {
      ...properties,
      distribution: { ...properties.distribution, enum: distributions.map(({ id }) => id) },
      modules: { ...properties.modules, items: names },
    },
  };
}

const secret: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["secret"],
  description: "A secret of the stack (`ci-images:secrets`), by its name",
  properties: { secret: { type: "string", pattern: "^[A-Za-z_][A-Za-z0-9_]*$" } },
};

/** Makes a module's schema accept a secret for any text. (When a recipe is checked, secrets are already texts.) */
function orSecrets(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(orSecrets);
  if (schema === null || typeof schema !== "object") return schema;
  const { type, description, ...rest } = schema as Schema;
  if (type === "string" && !("enum" in rest)) {
    return { ...(description ? { description } : {}), anyOf: [{ type, ...rest }, { $ref: "#/definitions/secret" }] };
  }
  const annotations = ["examples", "default", "enum", "const"];
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      annotations.includes(key) ? (value as unknown) : orSecrets(value),
    ]),
  );
}

function propertiesOf(modules: readonly DescribedModule[]): Record<string, Schema> {
  const settings = modules.map((module) => {
    const schema = (module.file.settings ?? {}) as Schema;
    return [settingsKeyOf(module), { description: module.file.description, ...schema }] as const;
  });
  return { ...recipeProperties, ...Object.fromEntries(settings) };
}
