// The stack setting `bases`, which every cloud has that offers base images: for a distribution, the user's own choice instead of
// the one that is looked up.
import type { Schema } from "../../provision/recipe/schema.ts";

/** The account to log in as, where a base image's is not the distribution's own. */
export const loginUser: Schema = { type: "string", pattern: "^[a-z_][a-z0-9_-]*$" };

/**
 * The setting's JSON schema: a mapping of distributions to choices.
 * @param properties What a choice may say, at least one of which it must.
 * @param rules What else holds for a choice, e.g. `dependencies`.
 */
export function chosenBases(properties: Record<string, Schema>, rules: Schema = {}): Schema {
  const choice = { type: "object", additionalProperties: false, minProperties: 1, properties, ...rules };
  return { type: "object", default: {}, additionalProperties: choice };
}
