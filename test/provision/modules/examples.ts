// Example settings from a module's schema: its own examples, and each key's examples together with the required keys.
import { Ajv } from "ajv";

/** The part of JSON schema that modules use. */
interface Schema {
  examples?: unknown[];
  enum?: unknown[];
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
}

/** All valid settings that a schema's examples give. The first is the schema's own first example. */
export function examplesOf(settings: object): unknown[] {
  const validate = new Ajv({ strict: false }).compile(settings);
  const distinct = new Map(candidates(settings).map((each) => [JSON.stringify(each), each]));
  return [...distinct.values()].filter((each) => validate(each));
}

function candidates(schema: Schema): unknown[] {
  const properties = schema.properties ?? {};
  const least = Object.fromEntries((schema.required ?? []).map((key) => [key, candidates(properties[key] ?? {})[0]]));
  return [
    ...(schema.examples ?? []),
    ...(schema.enum ?? []),
    ...(schema.type === "boolean" ? [true, false] : []),
    ...(schema.anyOf ?? []).flatMap(candidates),
    ...Object.entries(properties).flatMap(([key, property]) =>
      candidates(property).map((value) => ({ ...least, [key]: value })),
    ),
    ...(schema.items ? candidates(schema.items).map((item) => [item]) : []),
  ];
}

/** A text inside settings. */
export interface TextPlace {
  /** `add_users[0].name`, without the settings' key. */
  path: string;
  text: string;
  /** The settings with another text in this place. */
  replaced(by: string): unknown;
}

/** All texts inside a value, at any depth. */
export function textsIn(value: unknown, path = ""): TextPlace[] {
  if (typeof value === "string") return [{ path, text: value, replaced: (by) => by }];
  if (Array.isArray(value)) {
    const list = value as unknown[];
    return list.flatMap((item, index) =>
      textsIn(item, `${path}[${index}]`).map((place) => ({
        ...place,
        replaced: (by: string) => list.with(index, place.replaced(by)),
      })),
    );
  }
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, item]) =>
    textsIn(item, `${path}.${key}`).map((place) => ({
      ...place,
      replaced: (by: string) => ({ ...value, [key]: place.replaced(by) }),
    })),
  );
}
