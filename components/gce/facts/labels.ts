// Labels and names on Compute Engine.
import type { LabelRules } from "../../../common/labels.ts";

export const gceLabels: LabelRules = {
  prefix: "ci-images-",
  value: labelText,
  extra: labelText,
  // https://cloud.google.com/compute/docs/naming-resources
  names: { longest: 63, forbidden: /[^a-z0-9-]/g, small: true },
};

/** https://cloud.google.com/compute/docs/labeling-resources: small letters, digits, - and _, at most 63. */
function labelText(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}
