// Facts about Google Compute Engine, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";
import { gceSchema } from "./settings.ts";

export const gceFacts: CloudFacts = {
  name: "gce",
  outputName: "gce",
  plugin: "gce",
  module: new URL("open-cloud.ts", import.meta.url).href,
  page: "gce",
  about: "Google Compute Engine",
  settings: gceSchema,
  recipeSettings: ["machineType", "diskSize"],
  importNeeds: { key: "bucket", allowed: "the name of a bucket, through which disks are imported" },
  regionSettings: (region) => ({ "gce.zone": region }),
  placesToLookIn: async ({ project, bucket }) => ({
    ...(project === undefined ? {} : { place: project }),
    ...(bucket === undefined ? {} : { bucket }),
  }),
  machineTypes: ["gcp:compute/instance:Instance"],
  waitType: "ci-images:gce:Arrival",
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
