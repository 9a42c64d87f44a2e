// Describes a module's settings from their schema, for docs/modules.md and `ci-images modules`.
import { isDeepStrictEqual } from "node:util";
import type { Schema } from "./schema.ts";

/** One key of the settings. */
export interface SettingRow {
  /** Its path: `add_users[].name`. */
  path: string;
  /** `list of text`, `text or mapping`. */
  type: string;
  isRequired: boolean;
  /** Undefined if there is no default. */
  byDefault: unknown;
  what: string;
  examples: unknown[];
}

/**
 * Rows for the keys of a schema's mappings.
 * @param path The mappings' path: `add_users[]`.
 */
export function settingRows(schema: Schema, path: string): SettingRow[] {
  const required = (schema.required ?? []) as string[];
  const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>).flatMap(([name, property]) => {
    const row: SettingRow = {
      path: `${path}.${name}`,
      type: typeOf(property),
      isRequired: required.includes(name),
      byDefault: property.default,
      what: sentence(property.description),
      examples: examplesOf(property),
    };
    return [row, ...settingRows(property, row.path)];
  });
  const items = schema.items ? settingRows(schema.items as Schema, `${path}[]`) : [];
  const branches = ((schema.anyOf ?? []) as Schema[]).flatMap((branch) => settingRows(branch, path));
  // Describe a setting that may be alone or in a list (module run) only once.
  const once = branches.filter((row, index) => {
    const same = { ...row, path: row.path.replace(`${path}[].`, `${path}.`) };
    const alone = branches.findIndex((each) => isDeepStrictEqual(each, same));
    return alone < 0 || alone === index;
  });
  return [...properties, ...items, ...once];
}

/** A schema's type in words: `list of text`, `text or mapping`. */
export function typeOf(schema: Schema): string {
  if (schema.anyOf) return [...new Set((schema.anyOf as Schema[]).map(typeOf))].join(" or ");
  if (schema.enum) return `one of ${(schema.enum as unknown[]).join(", ")}`;
  if (schema.type === "array") {
    const item = typeOf(schema.items as Schema);
    return item.includes(" or ") ? `list (each ${item})` : `list of ${item}`;
  }
  const words: Record<string, string> = {
    string: "text",
    object: "mapping",
    boolean: "true or false",
    integer: "whole number",
  };
  const word = words[String(schema.type)];
  if (word === undefined) throw new Error(`no word for the type ${String(schema.type)}`);
  return word;
}

/** Examples of a module's complete settings: the schema's own, else one with every key that has an example. */
export function wholeExamples(schema: Schema): unknown[] {
  const own = examplesOf(schema);
  const keys = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
  const known = keys.filter(([, property]) => examplesOf(property).length > 0);
  if (own.length > 0 || known.length === 0) return own;
  return [Object.fromEntries(known.map(([key, property]) => [key, examplesOf(property)[0]]))];
}

/** A schema's examples. */
export function examplesOf(schema: Schema): unknown[] {
  return (schema.examples ?? []) as unknown[];
}

/** A description as a sentence; empty if there is none. */
export function sentence(description: unknown): string {
  const text = typeof description === "string" ? description.trim() : "";
  return text === "" || /[.:]$/.test(text) ? text : `${text}.`;
}
