// Machines that have no reachable address, behind the clouds' own tunnels. The tunnels' command-line tools are fakes
// here.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { project } from "../test-cloud/gce-cloud.ts";
import { regions } from "../test-cloud/ec2-cloud.ts";
import { PrivateNetwork } from "../test-cloud/private-network.ts";
import { ssmAgent } from "../test-cloud/ssm-agent.ts";
import { TunnelTools, type Targets } from "../test-cloud/tunnel-tools.ts";
import { CloudStack, type Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2, type Ec2Subject } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { doVerb, failVerb } from "./verbs.ts";

describe("machines behind a cloud's own tunnel", function () {
  this.timeout(400_000);
  let network: PrivateNetwork;
  let cloud: Subject;
  let folder: string;
  let tools: TunnelTools;
  const [region] = regions;

  beforeEach(async () => {
    network = await PrivateNetwork.open();
    folder = await mkdtemp(join(tmpdir(), "ci-images-tunnels-"));
  });
  afterEach(async () => {
    try {
      await tools?.close();
      await cloud?.close();
    } finally {
      await network.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  /**
   * Starts a builder, runs the verbs on it, and makes an image of it.
   * @param own What the test itself has made in the cloud: it stays.
   */
  async function bake(
    settings: Record<string, unknown>,
    targets: Targets,
    isTool: RegExp,
    own?: string,
  ): Promise<void> {
    tools = await TunnelTools.open(folder, targets, network.path);
    const variables = { ...cloud.variables, ...tools.variables(cloud.variables.PATH) };
    const stack = await CloudStack.on({ ...cloud, variables }, tinyRecipe(), { sshFrom: undefined, ...settings });
    try {
      await doVerb(stack, "up");
      assert.equal((await doVerb(stack, "ssh", "echo $SSH_CONNECTION | wc -w")).stdout.trim(), "4");
      assert.match((await doVerb(stack, "status")).stdout, /running/);
      await stack.expectNoChanges();
      await doVerb(stack, "create-image");
      assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
      const used = tools.runs.filter((run) => isTool.test(run));
      assert.ok(used.length > 6, used.join("\n"));
      await stack.up();
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
    assert.deepEqual(
      (await cloud.leftovers()).filter((each) => each !== own),
      [],
    );
  }

  it("bake on gce through Google's TCP forwarding, the only source that the firewall allows", async () => {
    const subject = await openGce(["debian12"], network.path);
    cloud = subject;
    const targets: Targets = {
      async iap(from, zone, name) {
        const world = subject.api.project(from);
        const machine = world.instances.get(`${zone}/${name}`);
        const all = [...world.firewalls.values()] as { targetTags?: string[]; sourceRanges?: string[] }[];
        const rules = all.filter(({ targetTags }) => targetTags?.includes(name));
        const isOpen = rules.some(({ sourceRanges }) => sourceRanges?.join() === "35.235.240.0/20");
        return machine && { address: machine.networkInterfaces[0].networkIP, isOpen };
      },
    };
    const gce = { ...(cloud.settings.gce as object), publicAddress: false, tunnel: "iap" };
    await bake({ gce }, targets, new RegExp(`^gcloud compute start-iap-tunnel \\S+ 22 .*--project=${project}`));
  });

  /** Looks up ec2 machines, and whether their security groups let the tunnel in. */
  function onEc2(subject: Ec2Subject, group?: string): Targets {
    // Asks the test cloud's API as users do: moto's own addresses lead nowhere.
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const client = new EC2Client({ region, endpoint: subject.ec2.api.url, credentials });
    return {
      async ec2(_region, id) {
        const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
        const machine = Reservations?.[0]?.Instances?.[0];
        const GroupIds = machine?.NetworkInterfaces?.[0]?.Groups?.map(({ GroupId }) => GroupId!) ?? [];
        assert.ok(GroupIds.length > 0, `${id} has security groups`);
        const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({ GroupIds }));
        const rules = SecurityGroups.flatMap(({ IpPermissions = [] }) => IpPermissions);
        const isOpen = rules.some(({ UserIdGroupPairs = [] }) =>
          UserIdGroupPairs.some((pair) => pair.GroupId === group),
        );
        if (group === undefined) assert.deepEqual(rules, [], "nobody is let in");
        return (
          machine && { address: machine.PrivateIpAddress!, isOpen, isManaged: machine.IamInstanceProfile !== undefined }
        );
      },
    };
  }

  it("bake on ec2 through an Instance Connect Endpoint, whose security group is the only allowed source", async () => {
    const subject = await openEc2(network.path);
    cloud = subject;
    const client = subject.ec2.api.client(region);
    const { Vpcs } = await client.send(new DescribeVpcsCommand({}));
    const { VpcId } = Vpcs![0];
    const made = new CreateSecurityGroupCommand({ GroupName: "endpoint", Description: "of an endpoint", VpcId });
    const { GroupId } = await client.send(made);
    const ec2 = { region, address: "private", tunnel: "instance-connect" };
    const targets = onEc2(subject, GroupId);
    subject.ec2.api.endpoints.push({ vpc: VpcId!, group: GroupId! });
    await bake({ ec2 }, targets, /^aws ec2-instance-connect open-tunnel/, `security group endpoint in ${region}`);
  });

  it("are not started if the tunnel's tool or endpoint is missing, or if a bastion is set as well", async () => {
    const subject = await openEc2(network.path);
    cloud = subject;
    tools = await TunnelTools.open(folder, onEc2(subject), network.path);
    tools.areMissing = true;
    const variables = { ...cloud.variables, ...tools.variables(cloud.variables.PATH) };
    const stack = await CloudStack.on({ ...subject, variables }, tinyRecipe(), {
      sshFrom: undefined,
      ec2: { region, tunnel: "instance-connect" },
    });
    try {
      await failVerb(stack, 1, /the tunnel instance-connect: aws does not run: .*cure: install the AWS CLI/, "up");
      tools.areMissing = false;
      await failVerb(stack, 1, /has no EC2 Instance Connect Endpoint that is ready; cure: aws ec2 create-/, "up");
      const ec2 = { region, tunnel: "session-manager" };
      await stack.settings({ sshFrom: undefined, ec2 });
      await failVerb(stack, 1, /ec2\.instanceProfile: not set, and ci-images:ec2\.tunnel is session-manager/, "up");
      await stack.settings({ sshFrom: undefined, ec2: { ...ec2, instanceProfile: "ssm" }, bastion: "jump@b.example" });
      await failVerb(stack, 1, /ci-images:ec2\.tunnel: session-manager, and ci-images:bastion is set/, "up");
      assert.deepEqual(await cloud.machines(), []);
    } finally {
      await stack.remove();
    }
  });

  it("bake on ec2 through Session Manager with no inbound rule at all, and keep its agent until the builder stops", async () => {
    const subject = await openEc2(network.path);
    cloud = subject;
    await subject.ec2.install(ssmAgent);
    await subject.ec2.api.iam({ Action: "CreateInstanceProfile", InstanceProfileName: "ssm" });
    const ec2 = { region, address: "private", tunnel: "session-manager", instanceProfile: "ssm" };
    await bake({ ec2 }, onEc2(subject), /^aws ssm start-session --region \S+ --target i-/);
  });
});
