// Facts about the embedded cloud, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";

export const localFacts: CloudFacts = {
  name: "local",
  outputName: "local",
  plugin: "local",
  module: new URL("open-cloud.ts", import.meta.url).href,
  page: "settings",
  about: "The embedded cloud: containers and disks on this computer, no account needed",
  isHere: true,
  placesToLookIn: async () => ({}),
  machineTypes: [],
};
