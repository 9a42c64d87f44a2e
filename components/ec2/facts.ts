// Facts about Amazon EC2, for settings and verbs.
import type { Call } from "../../common/contract.ts";
import type { CloudFacts, OwnSettings } from "../cloud-facts.ts";
import * as contract from "./contract.ts";
import { ec2Schema } from "./settings.ts";

export const ec2Facts: CloudFacts = {
  name: "ec2",
  outputName: "aws",
  module: new URL("open-cloud.ts", import.meta.url).href,
  types: ["ci-images:ec2:", "aws:"],
  page: "ec2",
  about: "Amazon EC2",
  settings: ec2Schema,
  recipeSettings: ["instanceType", "diskSize"],
  regionSettings: (region) => ({ "ec2.region": region }),
  placesWith: (region, { copyTo = [] }) => [region, ...(copyTo as string[])],
  async sweep(own, { project, stack, now, remove }, call) {
    const regions = await regionsOf(own, call);
    return (await call(contract.sweep, { regions, project, stack, now, remove })).leftovers;
  },
  machineTypes: ["aws:ec2/instance:Instance", "aws:ec2transitgateway/instanceState:InstanceState"],
  waitType: contract.Reachable.token,
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

/** The region that a stack bakes in, and those that it copies to. */
export async function regionsOf({ region, copyTo = [] }: OwnSettings, call: Call): Promise<string[]> {
  const own = region ?? (await call(contract.configuredRegion, {})).region;
  return [own, ...(copyTo as string[])] as string[];
}
