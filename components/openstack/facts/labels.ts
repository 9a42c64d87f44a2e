// Metadata, image properties and names on OpenStack.
import type { LabelRules } from "../../../common/labels.ts";

/** Nova and Glance accept 255 characters, and any characters in names. */
export const openstackLabels: LabelRules = {
  prefix: "ci_images_",
  value: (text) => text.slice(0, 255),
  names: { longest: 255, forbidden: /[^A-Za-z0-9._-]/g, small: false },
};
