// Reads a YAML file that holds a mapping, with errors that say where in it.
import { readFileSync } from "node:fs";
import { CORE_SCHEMA, load, mergeTag, YAMLException } from "js-yaml";
import { UserError } from "../common/user-error.ts";

/**
 * Reads a YAML file (YAML 1.2 with merge keys, `<<`).
 * @returns its top-level mapping.
 * @throws UserError when it can't be read, is not YAML (with line and column), or holds something else than a mapping.
 */
export function readYaml(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError({
      where: file,
      found: `it cannot be read (${(error as Error).message})`,
      allowed: "a YAML file",
    });
  }
  let value: unknown;
  try {
    value = load(text, { filename: file, schema: CORE_SCHEMA.withTags(mergeTag) });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    if (!mark) throw new UserError({ where: file, found: `not YAML: ${reason}`, allowed: "one YAML document" });
    const place = `line ${mark.line + 1}, column ${mark.column + 1}`;
    throw new UserError({ where: file, found: `not YAML at ${place}: ${reason}\n${mark.snippet ?? ""}\n` });
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UserError({
    where: file,
    found: `a ${Array.isArray(value) ? "list" : typeof value}`,
    allowed: "a mapping",
  });
}
