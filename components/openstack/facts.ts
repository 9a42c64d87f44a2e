// Facts about OpenStack, under its two names, for settings and verbs.
import type { CloudFacts } from "../cloud-facts.ts";
import { openstackSchema } from "./settings.ts";

/** Any OpenStack. */
export const openstackFacts = factsOf("openstack", "Any OpenStack");

/** The same under the older name: settings and outputs are under `rackspace`. */
export const rackspaceFacts = factsOf("rackspace", "Rackspace, or any OpenStack");

function factsOf(name: string, about: string): CloudFacts {
  return {
    name,
    outputName: name,
    // Resource types in existing states contain this name.
    plugin: "rackspace",
    module: new URL("open-cloud.ts", import.meta.url).href,
    page: "openstack",
    about,
    settings: { ...openstackSchema, description: `settings of stack ${name}` },
    recipeSettings: ["flavor", "volume"],
    regionSettings: (region) => ({ [`${name}.regions`]: region.split(",") }),
    async placesToLookIn({ regions }, ask) {
      if (regions !== undefined) return { regions };
      const found = await ask<{ usual?: string; regions: string[] }>("regions", {});
      return { regions: found.usual === undefined ? found.regions : [found.usual] };
    },
    machineTypes: ["openstack:compute/instance:Instance"],
    waitType: "ci-images:rackspace:Boot",
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
