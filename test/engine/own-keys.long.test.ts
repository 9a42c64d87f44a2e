// The user's own SSH key for builders, on each cloud; on ec2 also the user's own subnet and security group.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DescribeInstancesCommand,
  DescribeVpcsCommand,
  ImportKeyPairCommand,
} from "@aws-sdk/client-ec2";
import { execa } from "execa";
import { regions } from "../test-cloud/ec2-cloud.ts";
import { CloudStack, type Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";

describe("the user's own SSH key", function () {
  this.timeout(300_000);
  let folder: string;
  let cloud: Subject;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-own-keys-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(() => (cloud as Subject | undefined)?.close());

  /** Makes a key pair. @returns the private key's path; the public key has the suffix `.pub`. */
  async function makeKey(kind: "rsa" | "ecdsa" | "ed25519"): Promise<string> {
    const file = join(folder, kind);
    await execa("ssh-keygen", ["-q", "-t", kind, "-N", "", "-C", "team", "-f", file]);
    return file;
  }

  /** Bakes an image, calls `look`, and destroys the stack. @returns what is left in the cloud. */
  async function bake(
    variables: Record<string, string>,
    settings: Record<string, unknown> = {},
    look: () => Promise<void> = () => Promise.resolve(),
  ): Promise<string[]> {
    const stack = await CloudStack.on(
      { ...cloud, variables: { ...cloud.variables, ...variables } },
      tinyRecipe(),
      settings,
    );
    try {
      await stack.up();
      assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
      await look();
      await stack.up();
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
    return await cloud.leftovers();
  }

  it("logs in to the builder on ec2 in the user's subnet and security group, and none of them is deleted", async () => {
    const subject = await openEc2();
    cloud = subject;
    const [region] = regions;
    const client = subject.ec2.api.client(region);
    const file = await makeKey("rsa");
    const PublicKeyMaterial = await readFile(`${file}.pub`);
    await client.send(new ImportKeyPairCommand({ KeyName: "team", PublicKeyMaterial }));
    const { Vpcs } = await client.send(new DescribeVpcsCommand({}));
    const { VpcId } = Vpcs![0];
    const { Subnet } = await client.send(new CreateSubnetCommand({ VpcId, CidrBlock: "172.31.240.0/24" }));
    const made = new CreateSecurityGroupCommand({ GroupName: "team", Description: "SSH from the office", VpcId });
    const { GroupId } = await client.send(made);
    const rule = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "127.0.0.0/8" }] };
    await client.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [rule] }));
    const own = { region, subnet: Subnet!.SubnetId, securityGroup: GroupId };
    const left = await bake({ AWS_KEY_PAIR: "team", AWS_KEY_FILENAME: file }, { ec2: own }, async () => {
      const { Reservations = [] } = await client.send(new DescribeInstancesCommand({}));
      const machines = Reservations.flatMap(({ Instances = [] }) => Instances);
      assert.deepEqual(
        machines.map(({ KeyName }) => KeyName === "team").sort(),
        [false, true],
        "the trial machine does not use the key",
      );
      for (const { SubnetId } of machines) assert.equal(SubnetId, own.subnet);
    });
    assert.ok(!subject.ec2.api.calls.includes(`${region} CreateSecurityGroup`));
    assert.deepEqual(left.sort(), [`key pair team in ${region}`, `security group team in ${region}`]);
  });

  it("logs in to the builder on gce", async () => {
    cloud = await openGce();
    const file = await makeKey("ecdsa");
    assert.deepEqual(await bake({ GCE_PUBLIC_KEY: `${file}.pub`, GCE_PRIVATE_KEY: file }), []);
  });

  it("logs in to the builder on rackspace, is uploaded if the region does not have it, and stays there", async () => {
    cloud = await openRackspace();
    const file = await makeKey("ed25519");
    const left = await bake({
      RACKSPACE_KEY_PAIR: "team",
      RACKSPACE_PUBLIC_KEY_FILENAME: `${file}.pub`,
      RACKSPACE_PRIVATE_KEY_FILENAME: file,
    });
    assert.deepEqual(left, ["key pair team in ORD"]);
  });
});
