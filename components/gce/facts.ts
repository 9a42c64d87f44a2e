// Facts about Google Compute Engine, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";
import * as contract from "./contract.ts";
import { gceSchema } from "./settings.ts";

export const gceFacts: CloudFacts = {
  name: "gce",
  outputName: "gce",
  module: new URL("open-cloud.ts", import.meta.url).href,
  types: ["ci-images:gce:", "gcp:"],
  page: "gce",
  about: "Google Compute Engine",
  settings: gceSchema,
  recipeSettings: ["machineType", "diskSize"],
  importNeeds: { key: "bucket", allowed: "the name of a bucket, through which disks are imported" },
  regionSettings: (region) => ({ "gce.zone": region }),
  async sweep(own, { project, stack, now, remove }, call) {
    const { project: place, bucket } = own as { project?: string; bucket?: string };
    return (await call(contract.sweep, { place, bucket, project, stack, now, remove })).leftovers;
  },
  machineTypes: ["gcp:compute/instance:Instance"],
  waitType: contract.Reachable.token,
  // https://github.com/jenkinsci/google-compute-engine-plugin: docs/Home.md, "Configuration as code"
  jenkinsCloud: (place, images, loginUserOf) => ({
    computeEngine: {
      cloudName: `gce-${place}`,
      projectId: place,
      credentialsId: "FILL-IN",
      configurations: Object.entries(images).map(([distribution, id]) => ({
        namePrefix: distribution.replaceAll(/[^a-z0-9]/g, "-"),
        description: distribution,
        labelString: distribution,
        mode: "NORMAL",
        numExecutorsStr: "1",
        runAsUser: loginUserOf(distribution),
        remoteFs: `/home/${loginUserOf(distribution)}`,
        zone: "FILL-IN",
        region: "FILL-IN",
        machineType: "FILL-IN",
        bootDiskSourceImageName: id,
        bootDiskSourceImageProject: place,
      })),
    },
  }),
};
