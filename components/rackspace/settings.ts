// The settings of stack `rackspace`: what stands in Pulumi.<stack>.yaml under `ci-images:rackspace`. No SDK may be imported here:
// every stack reads this file.
import type { Schema } from "../../provision/schema.ts";

/** `ci-images:rackspace`, checked and with its defaults. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled with the cloud
export interface RackspaceSettings {}

/** The JSON schema of {@link RackspaceSettings}; docs/rackspace.md describes every key. */
export const rackspaceSchema: Schema = {
  type: "object",
  additionalProperties: false,
  description: "settings of stack rackspace",
  properties: {},
};
