// The smallest cloud: a desk with paper on it. It exists only in tests, to show that no other code has to know a cloud.
import type { CloudFacts } from "../../../components/cloud-facts.ts";
import * as contract from "./contract.ts";

/** The settings below `ci-images:paper`. */
export interface PaperSettings {
  /** The place of the images, like a region. */
  desk: string;
  drawers: string[];
}

export const paperFacts: CloudFacts = {
  name: "paper",
  outputName: "paper",
  module: new URL("open-cloud.ts", import.meta.url).href,
  // Its machines and disks are those of `local`.
  types: ["ci-images:paper:", "ci-images:local:"],
  page: "paper",
  about: "Paper on a desk",
  settings: {
    type: "object",
    additionalProperties: false,
    properties: {
      desk: { type: "string", minLength: 1, default: "desk" },
      drawers: { type: "array", items: { type: "string" }, default: ["upper"] },
    },
  },
  regionSettings: (region) => ({ "paper.desk": region }),
  async sweep({ drawers = ["upper"] }, { stack }, call) {
    const { key } = await call(contract.key, {});
    return (await call(contract.sweep, { drawers: drawers as string[], key, stack })).leftovers;
  },
  machineTypes: [],
  jenkinsCloud: (place, images, loginUserOf) => ({
    paper: { desk: place, sheets: Object.entries(images).map(([name, id]) => ({ id, user: loginUserOf(name) })) },
  }),
};
