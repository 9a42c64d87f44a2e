// Tags and names on EC2.
import type { LabelRules } from "../../../common/labels.ts";

export const ec2Labels: LabelRules = {
  prefix: "ci-images:",
  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html: 256 characters.
  value: (text) => text.slice(0, 255),
  // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
  names: { longest: 128, forbidden: /[^A-Za-z0-9()[\] ./'@_-]/g, small: false },
};
