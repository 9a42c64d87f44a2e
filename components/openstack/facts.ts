// Facts about OpenStack, under its two names, for settings and verbs.
import type { Call } from "../../common/contract.ts";
import type { CloudFacts, OwnSettings } from "../cloud-facts.ts";
import * as contract from "./contract.ts";
import { openstackSchema } from "./settings.ts";

/** Any OpenStack. */
export const openstackFacts = factsOf("openstack", "Any OpenStack");

/** The same under the older name: settings and outputs are under `rackspace`. */
export const rackspaceFacts = factsOf("rackspace", "Rackspace, or any OpenStack");

function factsOf(name: string, about: string): CloudFacts {
  return {
    name,
    outputName: name,
    module: new URL("open-cloud.ts", import.meta.url).href,
    types: ["ci-images:rackspace:", "openstack:"],
    page: "openstack",
    about,
    settings: { ...openstackSchema, description: `settings of stack ${name}` },
    recipeSettings: ["flavor", "volume"],
    regionSettings: (region) => ({ [`${name}.regions`]: region.split(",") }),
    placesWith: (region) => region.split(","),
    async sweep(own, { project, stack, lifetime, now, remove }, call) {
      const regions = await regionsOf(own, call);
      return (await call(contract.sweep, { regions, project, stack, lifetime, now, remove })).leftovers;
    },
    machineTypes: ["openstack:compute/instance:Instance"],
    waitType: contract.Reachable.token,
    // https://github.com/jenkinsci/openstack-cloud-plugin: README, "Configuration as code"
    jenkinsCloud: (place, images, loginUserOf) => ({
      openstack: {
        name: `openstack-${place}`,
        endPointUrl: "FILL-IN",
        credentialsId: "FILL-IN",
        zone: place,
        templates: Object.entries(images).map(([distribution, id]) => ({
          name: distribution,
          labels: distribution,
          slaveOptions: {
            bootSource: { image: { name: id } },
            hardwareId: "FILL-IN",
            fsRoot: `/home/${loginUserOf(distribution)}`,
            launcherFactory: { ssh: { credentialsId: "FILL-IN" } },
          },
        })),
      },
    }),
  };
}

/** The regions that a stack bakes in. */
export async function regionsOf({ regions }: OwnSettings, call: Call): Promise<string[]> {
  if (regions !== undefined) return regions as string[];
  const found = await call(contract.regions, {});
  return found.usual === undefined ? found.regions : [found.usual];
}
