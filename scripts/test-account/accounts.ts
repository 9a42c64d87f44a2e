// The clouds whose accounts can be tested, with the test's cost and how to find images.
import type { Call } from "../../common/contract.ts";
import type { OwnSettings } from "../../components/cloud-facts.ts";
import * as ec2 from "../../components/ec2/contract.ts";
import { regionsOf as ec2Regions } from "../../components/ec2/facts.ts";
import * as gce from "../../components/gce/contract.ts";
import * as openstack from "../../components/openstack/contract.ts";
import { regionsOf as openstackRegions } from "../../components/openstack/facts.ts";

/** The owner of the images to look for. */
export interface Owner {
  /** Pulumi's project. */
  project: string;
  stack: string;
  distribution: string;
}

/** A cloud to test. */
export interface AccountTest {
  /** The cloud's name, as in the stack setting `cloud`. */
  cloud: string;
  /** The name of the stack's settings file. */
  file: string;
  /** Settings that keep it cheap, unless the stack's file has others. */
  small: object;
  /** The cost, shown before the test begins. */
  cost: string;
  /** Finds the ids of a stack's images, proven or not. @param own The cloud's own settings. */
  images: (own: OwnSettings, owner: Owner, call: Call) => Promise<string[]>;
}

const machines =
  "Four machines (two builders, two trial machines) run for some minutes each, and two images exist as long. They belong to a\n" +
  "new stack and have the tag purpose=ci-images-test-account. Every machine ends itself after an hour at the latest.";

/** The tests by the value of `--cloud`. */
export const accounts: Record<string, AccountTest | undefined> = {
  ec2: {
    cloud: "ec2",
    file: "Pulumi.ec2.yaml",
    small: { diskSize: 10 },
    cost: `This costs money: with t3.small and a disk of 10 GiB usually well below 0.50 USD. ${machines}`,
    async images(own, owner, call) {
      const regions = await ec2Regions(own, call);
      const surveys = regions.map((region) => call(ec2.survey, { region, copyTo: [], ...owner }));
      return (await Promise.all(surveys)).flatMap(({ generations }) => generations.map(({ location }) => location));
    },
  },
  gce: {
    cloud: "gce",
    file: "Pulumi.gce.yaml",
    small: { diskSize: 12 },
    cost: `This costs money: with e2-standard-2 and a disk of 12 GB usually well below 0.50 USD. ${machines}`,
    async images({ project: named }, owner, call) {
      const { project } = await call(gce.account, named === undefined ? {} : { project: named as string });
      return (await call(gce.survey, { project, owner })).images.map(({ image }) => image);
    },
  },
  openstack: openstackAccount("openstack"),
  rackspace: openstackAccount("rackspace"),
};

function openstackAccount(cloud: string): AccountTest {
  const cost = `This costs what your cloud charges for the flavor and for images. ${machines}`;
  return {
    ...{ cloud, file: `Pulumi.${cloud}.yaml`, small: {}, cost },
    async images(own, owner, call) {
      const regions = await openstackRegions(own, call);
      const surveys = regions.map((region) => call(openstack.survey, { region, ...owner }));
      return (await Promise.all(surveys)).flatMap(({ images }) => images.map(({ id }) => id));
    },
  };
}
