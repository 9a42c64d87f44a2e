// The stack setting `bases` of every cloud that looks up base images: the user's own choice for a distribution.
import type { Schema } from "../../provision/recipe/schema.ts";

/** The login account, if a base image's differs from the distribution's own. */
export const loginUser: Schema = { type: "string", pattern: "^[a-z_][a-z0-9_-]*$" };

/**
 * The setting's JSON schema: a mapping from distributions to choices.
 * @param properties The properties of a choice; at least one is required.
 * @param rules More rules for a choice, e.g. `dependencies`.
 */
export function chosenBases(properties: Record<string, Schema>, rules: Schema = {}): Schema {
  const choice = { type: "object", additionalProperties: false, minProperties: 1, properties, ...rules };
  return { type: "object", default: {}, additionalProperties: choice };
}
