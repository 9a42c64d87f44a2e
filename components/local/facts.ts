// Facts about the embedded cloud, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";
import * as contract from "./contract.ts";

export const localFacts: CloudFacts = {
  name: "local",
  outputName: "local",
  module: new URL("open-cloud.ts", import.meta.url).href,
  types: ["ci-images:local:"],
  page: "settings",
  about: "The embedded cloud: containers and disks on this computer, no account needed",
  isHere: true,
  sweep: async (_own, { project, stack, home, lifetime, remove }, call) =>
    (await call(contract.sweep, { project, stack, home, lifetime, remove })).leftovers,
  machineTypes: [],
};
