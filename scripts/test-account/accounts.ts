// The clouds whose accounts can be tested, and the cost.

/** A cloud to test. */
export interface AccountTest {
  /** As in the stack setting `cloud`. */
  cloud: string;
  /** The stack's file in the project. */
  file: string;
  /** Settings that keep it cheap, unless the stack's file has others. */
  small: object;
  /** The cost, shown before the test begins. */
  cost: string;
}

const machines =
  "Four machines run for some minutes each (two builders, two trial machines), and two images are there for as long. All of them carry the name\n" +
  "of a stack of their own and the tag purpose=ci-images-test-account, and every machine ends itself after an hour, whatever happens.";

/** By the value of `--cloud`. */
export const accounts: Record<string, AccountTest | undefined> = {
  ec2: {
    cloud: "ec2",
    file: "Pulumi.ec2.yaml",
    small: { diskSize: 10 },
    cost: `This costs money: with t3.small and a disk of 10 GiB usually well below 0.50 USD. ${machines}`,
  },
  gce: {
    cloud: "gce",
    file: "Pulumi.gce.yaml",
    small: { diskSize: 12 },
    cost: `This costs money: with e2-standard-2 and a disk of 12 GB usually well below 0.50 USD. ${machines}`,
  },
  openstack: openstackAccount("openstack"),
  rackspace: openstackAccount("rackspace"),
};

function openstackAccount(cloud: string): AccountTest {
  const cost = `This costs what your cloud takes for the flavor and for images. ${machines}`;
  return { cloud, file: `Pulumi.${cloud}.yaml`, small: {}, cost };
}
