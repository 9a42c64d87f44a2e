// The settings of stack `gce`: what stands in Pulumi.<stack>.yaml under `ci-images:gce`. No SDK may be imported here:
// every stack reads this file.
import type { Schema } from "../../provision/schema.ts";

/** `ci-images:gce`, checked and with its defaults. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled with the cloud
export interface GceSettings {}

/** The JSON schema of {@link GceSettings}; docs/gce.md describes every key. */
export const gceSchema: Schema = {
  type: "object",
  additionalProperties: false,
  description: "settings of stack gce",
  properties: {},
};
