// Facts about Amazon EC2, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";
import { ec2Schema } from "./settings.ts";

export const ec2Facts: CloudFacts = {
  name: "ec2",
  outputName: "aws",
  plugin: "ec2",
  module: new URL("open-cloud.ts", import.meta.url).href,
  page: "ec2",
  about: "Amazon EC2",
  settings: ec2Schema,
  recipeSettings: ["instanceType", "diskSize"],
  regionSettings: (region) => ({ "ec2.region": region }),
  async placesToLookIn(own, ask) {
    const region = own.region ?? (await ask<{ region: string }>("configuredRegion", {})).region;
    return { regions: [region, ...((own.copyTo ?? []) as string[])] };
  },
  machineTypes: ["aws:ec2/instance:Instance", "aws:ec2transitgateway/instanceState:InstanceState"],
  waitType: "ci-images:ec2:Reachable",
  // https://github.com/jenkinsci/ec2-plugin: README, "Configuration as code"
  jenkinsCloud: (place, images, loginUserOf) => ({
    amazonEC2: {
      name: `ec2-${place}`,
      region: place,
      useInstanceProfileForCredentials: true,
      sshKeysCredentialsId: "FILL-IN",
      templates: Object.entries(images).map(([distribution, id]) => ({
        ami: id,
        description: distribution,
        labelString: distribution,
        type: "m5.large",
        remoteAdmin: loginUserOf(distribution),
        remoteFS: `/home/${loginUserOf(distribution)}`,
        amiType: { unixData: { sshPort: "22" } },
        mode: "NORMAL",
      })),
    },
  }),
};
