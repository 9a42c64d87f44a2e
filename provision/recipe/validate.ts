// Checks a value against a JSON schema, and describes errors for people: key, found, allowed, nearest name.
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { Complaint } from "../../common/user-error.ts";
import { durationForm, sizeForm } from "../../common/sizes.ts";
import { nearest } from "../../common/nearest.ts";
import type { WrittenAs } from "./read-yaml.ts";
import type { Schema } from "./schema.ts";
import { holdsSecret, showSecrets } from "../shell/secret-text.ts";

/**
 * Shared, because each new one compiles the schema of schemas, which only `flawOf` needs. Not strict: modules' settings
 * have `examples`, and may omit types as JSON schema allows.
 */
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  strict: false,
  useDefaults: true,
  logger: false,
  code: { optimize: false },
  validateSchema: false,
});

/** Why this is not a JSON schema; undefined if it is one. */
export function flawOf(schema: object): string | undefined {
  return ajv.validateSchema(schema) === true ? undefined : ajv.errorsText();
}

/**
 * Checks a value, and fills in the schema's defaults for missing properties.
 * @param where The file it comes from, for the complaints.
 * @param writtenAs Finds the spelling of a number, true or false in the file: as versions, 1.20 and 1.2 differ.
 * @returns an empty list if the value is valid.
 */
export function complaintsOf(
  schema: Schema,
  value: unknown,
  where: string,
  writtenAs: WrittenAs = () => undefined,
): Complaint[] {
  const validate = compiled(neededFor(value, schema));
  if (validate(value)) return [];
  const errors = withoutBranches(validate.errors ?? []).filter((error) => !judgesSecret(error));
  const complaints = errors.map((error) => complaintOf(error, where, writtenAs));
  // Two keywords may report the same error.
  return [...new Map(complaints.map((each) => [JSON.stringify(each), each])).values()];
}

/**
 * Leaves only the description of properties that the value doesn't have. Compiling a schema takes longer than everything
 * else here, and a stack or recipe uses few of the possible settings.
 */
function neededFor(value: unknown, schema: Schema): Schema {
  const { properties } = schema as { properties?: Record<string, Schema> };
  if (properties === undefined || value === null || typeof value !== "object") return schema;
  const needed = Object.entries(properties).map(([name, each]) => {
    const isNeeded = name in value || each.default !== undefined;
    return [name, isNeeded ? each : { description: each.description }] as const;
  });
  return { ...schema, properties: Object.fromEntries(needed) };
}

/** Compiled schemas by their text. */
const validators = new Map<string, ValidateFunction>();

/** Recipes with the same modules have equal schemas, and ajv recognizes only the same object. */
function compiled(schema: Schema): ValidateFunction {
  const text = JSON.stringify(schema);
  let validate = validators.get(text);
  if (!validate) validators.set(text, (validate = ajv.compile(schema)));
  return validate;
}

/** Whether an error is about a secret's content, which is unknown here. Only its type, text, can be judged. */
function judgesSecret({ keyword, data }: ErrorObject): boolean {
  return keyword !== "type" && typeof data === "string" && holdsSecret(data);
}

/**
 * Reduces the errors of a value that may have one of several forms, for which ajv reports errors of every form. If only
 * one form has the value's type, keeps that form's errors; otherwise keeps one error, that the value matches none of
 * the forms.
 */
function withoutBranches(errors: readonly ErrorObject[]): ErrorObject[] {
  const choice = errors.find(({ keyword }) => keyword === "anyOf" || keyword === "oneOf");
  if (!choice) return [...errors];
  const inside = errors.filter(
    (each) => each.schemaPath.startsWith(`${choice.schemaPath}/`) && isAtOrBelow(each, choice),
  );
  const outside = errors.filter((each) => each !== choice && !inside.includes(each));
  const branches = new Map<string, ErrorObject[]>();
  for (const error of inside) {
    const branch = error.schemaPath.slice(choice.schemaPath.length + 1).split("/")[0] ?? "";
    branches.set(branch, [...(branches.get(branch) ?? []), error]);
  }
  const ofItsType = [...branches.values()].filter(
    (each) => !each.some(({ keyword, instancePath }) => keyword === "type" && instancePath === choice.instancePath),
  );
  const kept =
    ofItsType.length === 1 && ofItsType[0] ? withoutBranches(ofItsType[0]) : [{ ...choice, keyword: "form" }];
  return [...kept, ...withoutBranches(outside)];
}

function isAtOrBelow(error: ErrorObject, choice: ErrorObject): boolean {
  return error.instancePath === choice.instancePath || error.instancePath.startsWith(`${choice.instancePath}/`);
}

function complaintOf(error: ErrorObject, where: string, writtenAs: WrittenAs): Complaint {
  const { keyword, data, parentSchema = {} } = error;
  const params = error.params as Record<string, unknown>;
  const key = keyPath(error.instancePath);
  const described = (parentSchema as { description?: string }).description;
  switch (keyword) {
    case "additionalProperties": {
      const name = String(params.additionalProperty);
      const allowed = Object.keys((parentSchema as { properties?: object }).properties ?? {});
      return { where, key: keyPath(error.instancePath, name), ...unknownName("key", name, allowed) };
    }
    case "required": {
      const name = String(params.missingProperty);
      const properties = (parentSchema as { properties?: Record<string, Schema> }).properties ?? {};
      const allowed = properties[name]?.description as string | undefined;
      return { where, key: keyPath(error.instancePath, name), found: "missing", allowed };
    }
    case "type": {
      const types = [params.type].flat().map((type) => typeNames[String(type)] ?? String(type));
      const hint = described ? ` (${described})` : "";
      const isPlain = typeof data === "number" || typeof data === "boolean";
      const written = (isPlain ? writtenAs(pathOf(error.instancePath), data) : undefined) ?? inWords(data);
      const cure = isPlain && types.includes("text") ? cureOfPlain(written, parentSchema) : undefined;
      return { where, key, found: written, allowed: `${types.join(" or ")}${hint}`, cure };
    }
    case "enum": {
      const allowed = (params.allowedValues as unknown[]).map(String);
      const suggestion = typeof data === "string" ? nearest(data, allowed) : undefined;
      return { where, key, found: inWords(data), allowed: allowed.join(", "), cure: didYouMean(suggestion) };
    }
    case "pattern":
    case "form":
      return { where, key, found: inWords(data), allowed: described ?? examplesOf(parentSchema) ?? error.message };
    default:
      return { where, key, found: inWords(data), allowed: [limitOf(error), described].filter(Boolean).join(": ") };
  }
}

/** The cure for a number, true or false that should be a text; undefined if the same in quotes is wrong, too. */
function cureOfPlain(written: string, schema: Schema): string | undefined {
  const { description } = schema as { description?: string };
  if ([sizeForm, durationForm].some((form) => description?.includes(form))) return "add the unit";
  return ajv.validate(schema, written) ? inQuotes(written) : undefined;
}

/** What a schema's limit allows; Ajv's own message for other keywords. */
function limitOf({ keyword, params, message }: ErrorObject): string | undefined {
  const { limit } = params as { limit?: number };
  const counted = (noun: string) => `${limit} ${noun}${limit === 1 ? "" : "s"}`;
  const entries = limit === 1 ? "1 entry" : `${limit} entries`;
  switch (keyword) {
    case "minItems":
      return `at least ${entries}`;
    case "maxItems":
      return `at most ${entries}`;
    case "minLength":
      return limit === 1 ? "a non-empty text" : `at least ${counted("character")}`;
    case "maxLength":
      return `at most ${counted("character")}`;
    case "minProperties":
      return `at least ${counted("key")}`;
    case "minimum":
      return `at least ${limit}`;
    case "maximum":
      return `at most ${limit}`;
    case "uniqueItems":
      return "no duplicate entries";
    default:
      return message;
  }
}

/** The parts of a complaint about an unknown name. */
export function unknownName(kind: string, name: string, names: readonly string[]): Omit<Complaint, "where"> {
  const allowed = names.length > 0 ? [...names].sort().join(", ") : undefined;
  return { found: `unknown ${kind} "${name}"`, allowed, cure: didYouMean(nearest(name, names)) };
}

function didYouMean(name: string | undefined): string | undefined {
  return name && `did you mean "${name}"?`;
}

function examplesOf(schema: object): string | undefined {
  const { examples } = schema as { examples?: unknown[] };
  return examples?.length ? `e.g. ${examples.map((each) => JSON.stringify(each)).join(", ")}` : undefined;
}

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  array: "a list",
  object: "a mapping",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  null: "nothing",
};

/** A value as shown in a complaint: `"4X"`, `a list: ["a"]`. */
export function inWords(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  const json = showSecrets(JSON.stringify(value));
  const short = json.length > 100 ? `${json.slice(0, 97)}...` : json;
  const type = Array.isArray(value) ? "a list: " : typeof value === "object" ? "a mapping: " : "";
  return `${type}${short}`;
}

/** The cure for a number, true or false that should be a text. */
export function inQuotes(written: string): string {
  return `put it in quotes: "${written}"`;
}

/** The keys and indexes of a JSON pointer. */
function pathOf(pointer: string): (string | number)[] {
  const parts = pointer.split("/").slice(1);
  const names = parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.map((name) => (/^\d+$/.test(name) ? Number(name) : name));
}

/** The readable form of a JSON pointer. */
function keyPath(pointer: string, ...more: string[]): string | undefined {
  return keyText([...pathOf(pointer), ...more]) || undefined;
}

/** The readable form of keys and indexes: `add_users[0].name`. */
export function keyText(path: readonly (string | number)[]): string {
  const text = path.map((name) => (typeof name === "number" ? `[${name}]` : `.${name}`)).join("");
  return text.replace(/^\./, "");
}
