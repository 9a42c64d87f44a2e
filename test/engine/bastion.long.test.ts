// Machines that only a bastion can reach. On each cloud, whole bakes, the verbs and the trial machine go through a real
// one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { answersSsh } from "../../provider/kit/ssh-answer.ts";
import type { Connection } from "../../provider/kit/connection.ts";
import { PrivateNetwork } from "../test-cloud/private-network.ts";
import { until } from "../test-cloud/until.ts";
import { CloudStack, type Subject } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openEc2 } from "./subjects/ec2.ts";
import { openGce } from "./subjects/gce.ts";
import { openRackspace } from "./subjects/rackspace.ts";
import { doVerb, failVerb } from "./verbs.ts";

describe("machines behind a bastion", function () {
  this.timeout(400_000);
  let network: PrivateNetwork;
  let cloud: Subject;
  let stack: CloudStack;
  let folder: string;

  beforeEach(async () => {
    network = await PrivateNetwork.open();
    folder = await mkdtemp(join(tmpdir(), "ci-images-bastion-"));
    await writeFile(join(folder, "key"), network.privateKey, { mode: 0o600 });
    await writeFile(join(folder, "upload"), "from here\n");
  });
  afterEach(async () => {
    try {
      await cloud?.close();
    } finally {
      await network.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  const recipe = () => {
    const files = [{ path: "/etc/tiny", source: join(folder, "upload") }];
    return tinyRecipe("", { files, tests: [{ name: "the upload arrived", run: "grep -q 'from here' /etc/tiny" }] });
  };

  /** The builder's login, from the state. */
  async function login(): Promise<Connection> {
    const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
    return record.outputs as unknown as Connection;
  }

  /** Starts a builder, runs the verbs on it, and makes an image of it. */
  async function bake(settings: Record<string, unknown>, variables: Record<string, string> = {}): Promise<void> {
    const account = { ...cloud, variables: { ...cloud.variables, ...variables } };
    stack = await CloudStack.on(account, recipe(), { sshFrom: undefined, ...settings });
    try {
      const { stderr } = await doVerb(stack, "up");
      assert.match(stderr, new RegExp(`SSH is opened to ${network.host}, the bastion's address`));
      assert.match((await doVerb(stack, "ssh", "id -un")).stdout, /^(debian|admin)$/m);
      assert.match((await doVerb(stack, "status")).stdout, /running/);
      const { host, port, user, hostKey } = await login();
      assert.equal(
        await answersSsh({ host, port, user, hostKey }, 2000),
        false,
        "the builder can't be reached directly",
      );
      await stack.expectNoChanges();
      await doVerb(stack, "create-image");
      assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
      assert.equal(
        new Set(network.forwarded.map((place) => place.split(" ")[0])).size,
        2,
        `the bastion forwards to the builder and the trial machine:\n${network.said}`,
      );
      await stack.up();
      await stack.expectNoChanges();
    } finally {
      await stack.remove();
    }
    assert.deepEqual(await cloud.leftovers(), []);
    await until("no session is left on the bastion", 30, async () => {
      const { stdout } = await execa("ps", ["-eo", "args"]);
      return !/sshd: jump/.test(stdout);
    });
  }

  it("bake on rackspace with a key from a file", async () => {
    cloud = await openRackspace(["ORD"], { network: network.path });
    const { hostKey } = network;
    await bake({ bastion: network.setting({ hostKey, privateKeyFile: join(folder, "key") }) });
  });

  it("bake on gce with a key from the stack's secrets", async () => {
    cloud = await openGce(["debian12"], network.path);
    const bastion = network.setting({ hostKey: network.hostKey, privateKeySecret: "BASTION" });
    const gce = { ...cloud.settings.gce!, publicAddress: false };
    await bake({ gce, bastion }, { CI_IMAGES_SECRET_BASTION: network.privateKey });
  });

  it("bake on ec2 with a key from the SSH agent, and start nothing while the agent has no key", async () => {
    cloud = await openEc2(network.path);
    const SSH_AUTH_SOCK = join(folder, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", SSH_AUTH_SOCK], { stdio: "ignore" });
    try {
      await until(
        "the agent answers",
        20,
        async () => (await execa("ssh-add", ["-l"], { env: { SSH_AUTH_SOCK }, reject: false })).exitCode === 1,
      );
      const bastion = network.setting({ hostKey: network.hostKey });
      const ec2 = { ...cloud.settings.ec2!, address: "private" };
      const account = { ...cloud, variables: { ...cloud.variables, SSH_AUTH_SOCK } };
      stack = await CloudStack.on(account, recipe(), { sshFrom: undefined, ec2, bastion });
      try {
        await failVerb(stack, 1, /the bastion jump@.*: refuses the keys of the SSH agent; cure: ssh-add/, "up");
        assert.deepEqual(await cloud.machines(), []);
      } finally {
        await stack.remove();
      }
      await execa("ssh-add", ["-q", join(folder, "key")], { env: { SSH_AUTH_SOCK } });
      await bake({ ec2, bastion }, { SSH_AUTH_SOCK });
    } finally {
      const ended = once(agent, "exit");
      agent.kill();
      await ended;
    }
  });
});
