// The graph of stack `rackspace`: the declared resources with their inputs and order, for a missing, a finished and an
// unverified image.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { openOpenStack } from "../../../components/openstack/open-cloud.ts";
import { checkSettings, type Settings } from "../../../components/stack-settings.ts";
import { doorPort } from "../../../provision/builder/door.ts";
import { describePlan } from "../../../provision/plan/explain.ts";
import { planRecipe, type Plan } from "../../../provision/plan/plan.ts";
import { loadRecipe } from "../../../provision/recipe/load-recipe.ts";
import { unwrapSecrets } from "../../../provider/values.ts";
import { tinyRecipe } from "../../engine/recipes.ts";
import { expectNothingRunsAgain } from "../sealed-builder.ts";
import { Graph } from "../graph.ts";

/** Outputs that resources have beside their inputs. */
function outputsOf(type: string, name: string, image: object): object {
  const pair = { publicKey: `ssh-ed25519 PUBLIC-${name}`, privateKey: `PRIVATE-${name}` };
  const outputs: Record<string, object> = {
    "ci-images:index:KeyPair": pair,
    "ci-images:rackspace:Lease": {
      machine: `${name}-machine`,
      deadline: "2030-01-01T00:00:00.000Z",
      metadata: { ci_images_expires: "20300101T000000Z" },
    },
    "ci-images:rackspace:ServerImage": {
      id: "image-1",
      image: "image-1",
      imageName: "image name",
      bytes: 7,
      builtAt: "2026-01-01",
      builder: { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" },
      ...image,
    },
    "openstack:compute/instance:Instance": { id: "server-1", accessIpV4: "192.0.2.7", accessIpV6: "" },
    "openstack:networking/floatingIp:FloatingIp": { address: "203.0.113.9" },
    "command:remote:Command": { stdout: `machine-id: ${"1".repeat(32)}\nok 1 - fine` },
  };
  return outputs[type] ?? {};
}

/** Declares on a cloud with two regions and a base image, but without our images. */
class RackspaceGraph extends Graph {
  /** @param image Other outputs of the image. */
  constructor(image: object = {}) {
    const answers = {
      "ci-images:rackspace:regions": { regions: ["ORD", "DFW"], usual: "ORD", notices: [] },
      "ci-images:rackspace:resolveBase": { id: "base-1", description: "Debian 12" },
      "ci-images:rackspace:survey": { images: [], builders: [], expired: [] },
      "ci-images:rackspace:preflight": {
        flavor: "flavor-1",
        networks: [{ id: "network-1", name: "private" }],
        hasKeyPair: false,
        reached: { family: 4, networks: ["10.4.0.0/24"], cloudHost: "keystone.example" },
      },
      "ci-images:index:ownAddress": { addresses: ["10.8.0.3"], notice: "SSH is opened to 10.8.0.3" },
    };
    super("rackspace", answers, (type, name) => outputsOf(type, name, image));
  }

  bake(settings: Settings, plan: Plan, keep = 1): Promise<unknown> {
    return this.declare(async () => (await openOpenStack(settings))[0], settings, plan, keep);
  }
}

describe("the graph of stack rackspace", () => {
  let folder: string;
  let plan: Plan;
  let recipe: string;
  let prefix: string;
  let environment: NodeJS.ProcessEnv;

  const settingsOf = (rackspace: object = {}, more: object = {}) =>
    checkSettings("Pulumi.rackspace.yaml", "ci-images:", {
      cloud: "rackspace",
      sshFrom: ["203.0.113.5/32", "2001:db8::1/128"],
      rackspace: { flavor: "m1.small", ...rackspace },
      ...more,
    });
  const generation = (changes: object = {}) => ({
    id: "image-1",
    recipe,
    name: "tiny",
    builtAt: "2026-01-01",
    proven: true,
    plan: describePlan(plan, { id: "base-1", description: "Debian 12" }),
    ...changes,
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "rackspace-"));
    await writeFile(join(folder, "tiny.yaml"), JSON.stringify(tinyRecipe()));
    const loaded = await loadRecipe(join(folder, "tiny.yaml"));
    plan = await planRecipe(loaded, loaded.distributions[0], { sealVersion: "1" });
    recipe = plan.recipeHash("base-1");
    prefix = `debian12-${recipe.slice(0, 8)}`;
  });
  after(() => rm(folder, { recursive: true, force: true }));
  beforeEach(() => {
    environment = { ...process.env };
    for (const key of Object.keys(process.env)) if (key.startsWith("RACKSPACE_")) delete process.env[key];
  });
  afterEach(() => {
    for (const key of Object.keys(process.env)) if (key.startsWith("RACKSPACE_")) delete process.env[key];
    Object.assign(process.env, environment);
  });

  it("bakes a missing image: lease, server, commands, stop, image, retirement, second look, trial, promotion", async () => {
    const graph = new RackspaceGraph();
    const output = await graph.bake(settingsOf(), plan);
    assert.deepEqual(output, { id: "image-1", name: "image name", bytes: 7, recipe, builtAt: "2026-01-01" });
    const ours = graph.declared.filter(({ type }) => type.startsWith("ci-images:rackspace:"));
    assert.deepEqual(
      ours.map(({ type, name }) => `${type.split(":")[2]} ${name.replace(prefix, "")}`),
      [
        "Lease -builder-lease",
        "Boot -builder-boot",
        "SealMark -sealing",
        "Stop -stop",
        "ServerImage ",
        "Retirement -retirement",
        "ImageLook -image-look",
        "Lease -trial-lease",
        "Boot -trial-boot",
        "Promotion -promotion",
        "Retirement -trial-retirement",
      ],
    );
  });

  it("ties the server to its lease: deleting the lease deletes it, and a new lease makes a new server", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf(), plan);
    const { inputs, options } = graph.get(`${prefix}-builder`);
    assert.equal(inputs.name, `${prefix}-builder-lease-machine`);
    assert.equal(inputs.imageId, "base-1");
    assert.equal(inputs.flavorId, "flavor-1");
    assert.equal(inputs.region, "ORD");
    assert.equal(inputs.powerState, "active");
    assert.deepEqual(inputs.networks, [{ uuid: "network-1", accessNetwork: true }]);
    assert.deepEqual(options.replaceOnChanges, ["name"]);
    assert.equal(graph.goesWith(`${prefix}-builder`), `${prefix}-builder-lease`);
    assert.notEqual(inputs.userData, unwrapSecrets(inputs.userData), "it is a secret");
    const userData = unwrapSecrets(inputs.userData) as string;
    assert.match(userData, /^#cloud-config-archive\n/);
    assert.match(userData, new RegExp(`PRIVATE-${prefix}-builder-host-key`));
    assert.ok(!userData.includes(`PRIVATE-${prefix}-builder-login-key`));
  });

  it("opens SSH to the caller's networks only", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf(), plan);
    const rules = graph.declared.filter(
      ({ type, name }) => type.endsWith(":SecGroupRule") && name.startsWith(`${prefix}-builder`),
    );
    assert.deepEqual(
      rules.map(({ inputs }) => [
        inputs.direction,
        inputs.ethertype,
        inputs.portRangeMin,
        inputs.portRangeMax,
        inputs.remoteIpPrefix,
      ]),
      [
        ["ingress", "IPv4", 22, 22, "203.0.113.5/32"],
        ["ingress", "IPv4", doorPort, doorPort, "203.0.113.5/32"],
        ["ingress", "IPv6", 22, 22, "2001:db8::1/128"],
        ["ingress", "IPv6", doorPort, doorPort, "2001:db8::1/128"],
      ],
    );
    for (const { name } of rules) assert.equal(graph.goesWith(name), `${prefix}-builder-security-group`);
    const group = graph.get(`${prefix}-builder-security-group`).inputs.name;
    assert.deepEqual(graph.get(`${prefix}-builder`).inputs.securityGroups, [group]);
  });

  it("without sshFrom, opens SSH to the address that the machines' networks see; refuses the wrong address family", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf({}, { sshFrom: undefined }), plan);
    assert.deepEqual(graph.asked["ci-images:index:ownAddress"], {
      family: 4,
      networks: ["10.4.0.0/24"],
      cloudHost: "keystone.example",
    });
    assert.equal(graph.get(`${prefix}-builder-ssh`).inputs.remoteIpPrefix, "10.8.0.3/32");
    const six = new RackspaceGraph();
    Object.assign(six.answers["ci-images:rackspace:preflight"], { reached: { family: 6, networks: [] } });
    await assert.rejects(
      six.bake(settingsOf({}, { sshFrom: ["203.0.113.5/32"] }), plan),
      /ci-images:sshFrom: only IPv4 \(203\.0\.113\.5\/32\); allowed: at least one range of IPv6 addresses/,
    );
  });

  it("connects through the bastion everywhere: the wait for SSH, commands and logins", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:index:bastion"] = { hostKey: "ssh-ed25519 BASTION" };
    const bastion = { address: "jump@b.example:2222", privateKeySecret: "KEY" };
    await graph.bake(settingsOf({}, { bastion, secrets: { KEY: "PRIVATE-bastion" }, sshFrom: undefined }), plan);
    const proxy = {
      ...{ host: "b.example", port: 2222, user: "jump", hostKey: "ssh-ed25519 BASTION" },
      ...{ privateKey: "PRIVATE-bastion", dialErrorLimit: 10, perDialTimeout: 15 },
    };
    const connecting = graph.declared.filter(({ inputs }) => inputs.connection !== undefined);
    assert.ok(connecting.length >= 4);
    for (const { name, inputs } of connecting) {
      assert.deepEqual((unwrapSecrets(inputs.connection) as { proxy: object }).proxy, proxy, name);
    }
    for (const name of ["builder-boot", "trial-boot", "login"]) {
      assert.deepEqual(unwrapSecrets(graph.get(`${prefix}-${name}`).inputs.proxy), proxy, name);
    }
    assert.equal(graph.asked["ci-images:index:ownAddress"].bastion, "b.example");
    const lost = settingsOf({}, { bastion, sshFrom: undefined });
    await assert.rejects(new RackspaceGraph().bake(lost, plan), /privateKeySecret: the stack has no secret "KEY"/);
  });

  it("stops the server, makes the image, deletes the server, then boots the trial machine from the image", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf(), plan);
    assert.deepEqual(graph.after(`${prefix}-stop`), [`${prefix}-seal`]);
    assert.deepEqual(graph.after(prefix), [`${prefix}-stop`]);
    assert.deepEqual(graph.after(`${prefix}-retirement`), [prefix]);
    assert.deepEqual(graph.after(`${prefix}-image-look`), [`${prefix}-retirement`]);
    assert.equal(graph.get(`${prefix}-trial`).inputs.imageId, "image-1");
    assert.deepEqual(graph.after(`${prefix}-promotion`), [`${prefix}-trial-verify`, `${prefix}-image-look`]);
    const { making } = graph.get(prefix).inputs as { making: Record<string, unknown> };
    assert.equal(making.server, "server-1");
    assert.equal(making.expires, "20300101T000000Z");
  });

  it("waits for SSH at the server's own address before the first command", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf(), plan);
    const { inputs } = graph.get(`${prefix}-builder-boot`);
    assert.deepEqual([inputs.host, inputs.port, inputs.user], ["192.0.2.7", 22, "debian"]);
    assert.deepEqual(graph.after(`${prefix}-settled`), [`${prefix}-builder-boot`]);
  });

  it("puts a floating address and the security group on a dedicated port", async () => {
    const graph = new RackspaceGraph();
    Object.assign(graph.answers["ci-images:rackspace:preflight"], {
      floatingNetwork: { id: "network-2", name: "public" },
    });
    await graph.bake(settingsOf({ floatingNetwork: "public" }), plan);
    assert.equal(graph.get(`${prefix}-builder-address`).inputs.pool, "public");
    assert.deepEqual(graph.get(`${prefix}-builder-port`).inputs.securityGroupIds, [
      `${prefix}-builder-security-group-id`,
    ]);
    assert.deepEqual(graph.get(`${prefix}-builder`).inputs.networks, [{ port: `${prefix}-builder-port-id` }]);
    assert.equal(graph.get(`${prefix}-builder-boot`).inputs.host, "203.0.113.9");
  });

  it("leaves the deletion of a machine's resources to its lease: the official provider waits seconds for each", async () => {
    const graph = new RackspaceGraph();
    Object.assign(graph.answers["ci-images:rackspace:preflight"], {
      floatingNetwork: { id: "network-2", name: "public" },
    });
    await graph.bake(settingsOf({ floatingNetwork: "public" }), plan);
    const official = graph.declared.filter(({ type }) => type.startsWith("openstack:"));
    const ends = (name: string): string | undefined => {
      const end = graph.goesWith(name);
      return end?.endsWith("-lease") ? end : end && ends(end);
    };
    for (const machine of ["builder", "trial"].map((role) => `${prefix}-${role}`)) {
      const own = official.filter(({ name }) => name.startsWith(machine));
      assert.ok(own.length >= 6);
      for (const { name } of own) assert.equal(ends(name), `${machine}-lease`, name);
      for (const part of ["key-pair", "security-group", "port"]) {
        assert.equal(graph.get(`${machine}-${part}`).inputs.name, `${machine}-lease-machine`);
      }
      assert.equal(graph.get(`${machine}-address`).inputs.description, `${machine}-lease-machine`);
    }
  });

  describe("with a volume", () => {
    const settings = settingsOf({ volume: { size: 20, type: "ssd" } });

    /** What a server boots from: an image's id, and the volumes made from images. */
    function sourceOf({ inputs }: ReturnType<Graph["get"]>): unknown[] {
      const devices = (inputs.blockDevices ?? []) as Record<string, unknown>[];
      const volumes = devices.map((each) => [each.uuid, each.volumeSize, each.volumeType, each.deleteOnTermination]);
      return [inputs.imageId, ...volumes];
    }

    it("boots the builder from it, and the trial machine from the image, whose volume snapshots it starts with", async () => {
      const graph = new RackspaceGraph({ bytes: 0 });
      await graph.bake(settings, plan);
      assert.deepEqual(sourceOf(graph.get(`${prefix}-builder`)), [undefined, ["base-1", 20, "ssd", true]]);
      assert.deepEqual(sourceOf(graph.get(`${prefix}-trial`)), ["image-1"]);
    });

    it("boots the trial machine of an image with data from it, too: a flavor may have no disk", async () => {
      const graph = new RackspaceGraph({ bytes: 7 });
      await graph.bake(settings, plan);
      assert.deepEqual(sourceOf(graph.get(`${prefix}-trial`)), [undefined, ["image-1", 20, "ssd", true]]);
    });
  });

  it("stops the builder at power `off`, and runs no commands", async () => {
    const graph = new RackspaceGraph();
    await graph.bake(settingsOf({}, { stage: "builder", power: "off" }), plan);
    assert.equal(graph.get(`${prefix}-builder`).inputs.powerState, "shutoff");
    assert.equal(graph.get(`${prefix}-builder-lease`).inputs.open, true);
    assert.deepEqual(graph.names("command:remote:Command", "ci-images:rackspace:ServerImage"), []);
  });

  it("never restarts a sealed builder, even if a refresh has recorded it as stopped", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:rackspace:survey"] = { images: [], builders: [recipe], expired: [], sealed: [recipe] };
    await graph.bake(settingsOf(), plan);
    assert.deepEqual(graph.get(`${prefix}-builder`).options.ignoreChanges, ["powerState", "userData"]);
    assert.equal(graph.asked["ci-images:rackspace:preflight"].occupied, true);
    assert.equal(graph.get(`${prefix}-trial`).options.ignoreChanges, undefined);
  });

  it("needs no quota for a builder that takes the place of one past its deadline", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:rackspace:survey"] = { images: [], builders: [], expired: [recipe], sealed: [] };
    await graph.bake(settingsOf(), plan);
    assert.equal(graph.asked["ci-images:rackspace:preflight"].occupied, true);
  });

  it("never connects to a sealed builder: neither new settings nor a new version runs its steps again", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:rackspace:survey"] = { images: [], builders: [recipe], expired: [], sealed: [recipe] };
    await graph.bake(settingsOf(), plan);
    expectNothingRunsAgain(graph.withIgnored());
    const { ignoreChanges } = graph.get(`${prefix}-builder-boot`).options;
    assert.deepEqual(ignoreChanges, ["host", "port", "user", "privateKey", "proxy", "deadline", "power"]);
  });

  it("declares only the image if it exists and is verified", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:rackspace:survey"] = { images: [generation()], builders: [], expired: [] };
    await graph.bake(settingsOf(), plan);
    assert.deepEqual(graph.names(), [`debian12`, prefix]);
    const { making, name, recipe: hash } = graph.get(prefix).inputs;
    assert.deepEqual([making, name, hash], [undefined, "tiny", recipe]);
    assert.equal(graph.asked["ci-images:rackspace:preflight"], undefined);
  });

  it("only verifies an image that exists but is unverified", async () => {
    const graph = new RackspaceGraph();
    graph.answers["ci-images:rackspace:survey"] = {
      images: [generation({ proven: false })],
      builders: [],
      expired: [],
    };
    await graph.bake(settingsOf(), plan);
    assert.deepEqual(graph.names("ci-images:rackspace:Stop"), []);
    assert.deepEqual(graph.names("openstack:compute/instance:Instance"), [`${prefix}-trial`]);
    assert.deepEqual(graph.after(`${prefix}-promotion`), [`${prefix}-trial-verify`]);
  });

  it("keeps as many earlier generations as the stack says, each as its own resource", async () => {
    const graph = new RackspaceGraph();
    const earlier = ["aaaa", "bbbb"].map((hash) => generation({ recipe: hash.repeat(4), id: hash }));
    graph.answers["ci-images:rackspace:survey"] = { images: [generation(), ...earlier], builders: [], expired: [] };
    await graph.bake(settingsOf(), plan, 1);
    assert.deepEqual(graph.names("ci-images:rackspace:ServerImage"), [prefix, "debian12-aaaaaaaa"]);
  });

  it("shares an image only after its promotion, and keeps sharing an existing image", async () => {
    const settings = settingsOf({ visibility: "shared", members: ["project-b"] });
    const graph = new RackspaceGraph();
    await graph.bake(settings, plan);
    assert.deepEqual(graph.after(`${prefix}-sharing`), [`${prefix}-promotion`]);
    const later = new RackspaceGraph();
    later.answers["ci-images:rackspace:survey"] = { images: [generation()], builders: [], expired: [] };
    await later.bake(settings, plan);
    assert.deepEqual(later.get(`${prefix}-sharing`).inputs.members, ["project-b"]);
  });

  describe("with the user's own key pair", () => {
    beforeEach(async () => {
      const pair = makeSshKeyPair();
      await writeFile(join(folder, "key"), pair.privateKey, { mode: 0o600 });
      await writeFile(join(folder, "key.pub"), pair.publicKey);
      process.env.RACKSPACE_KEY_PAIR = "mine";
      process.env.RACKSPACE_PRIVATE_KEY_FILENAME = join(folder, "key");
      process.env.RACKSPACE_PUBLIC_KEY_FILENAME = join(folder, "key.pub");
    });

    it("uploads the key pair if it is missing, never deletes it, and gives the trial machine another key", async () => {
      const graph = new RackspaceGraph();
      await graph.bake(settingsOf(), plan);
      assert.equal(graph.get(`${prefix}-builder`).inputs.keyPair, "mine");
      assert.notEqual(graph.get(`${prefix}-trial`).inputs.keyPair, "mine");
      assert.ok(graph.names("ci-images:index:KeyPair").includes(`${prefix}-trial-login-key`));
      assert.ok(!graph.names("ci-images:index:KeyPair").includes(`${prefix}-builder-login-key`));
    });

    it("uses the key pair that the region already has", async () => {
      const graph = new RackspaceGraph();
      Object.assign(graph.answers["ci-images:rackspace:preflight"], { hasKeyPair: true });
      await graph.bake(settingsOf(), plan);
      assert.equal(graph.get(`${prefix}-builder`).inputs.keyPair, "mine");
      assert.deepEqual(graph.names("openstack:compute/keypair:Keypair"), [`${prefix}-trial-key-pair`]);
    });
  });

  it("opens each region of the stack, and refuses a region that is not in the catalog", async () => {
    new RackspaceGraph();
    const clouds = await openOpenStack(settingsOf({ regions: ["ORD", "DFW"] }));
    assert.deepEqual(
      clouds.map(({ place }) => place),
      ["ORD", "DFW"],
    );
    await assert.rejects(
      openOpenStack(settingsOf({ regions: ["ODR"] })),
      /there is no region "ODR"; allowed: ORD, DFW/,
    );
  });

  it("refuses members if images are not shared", async () => {
    new RackspaceGraph();
    await assert.rejects(
      openOpenStack(settingsOf({ members: ["p"] })),
      /rackspace\.members: 1 projects, but the images are private/,
    );
  });

  it("has the same resources under the cloud name `openstack`, with settings, outputs and keys named after it", async () => {
    const rackspace = new RackspaceGraph();
    await rackspace.bake(settingsOf(), plan);
    const graph = new RackspaceGraph();
    const named = (own: object, more: object = {}) =>
      checkSettings("Pulumi.openstack.yaml", "ci-images:", {
        cloud: "openstack",
        sshFrom: ["203.0.113.5/32", "2001:db8::1/128"],
        openstack: { flavor: "m1.small", ...own },
        ...more,
      });
    await graph.bake(named({}), plan);
    const declared = ({ declared: all }: Graph) =>
      all.map(({ type, name }) => [type, name.replace("rackspace-", "openstack-")]);
    assert.deepEqual(declared(graph), declared(rackspace));
    const [cloud] = await openOpenStack(named({}));
    assert.deepEqual([cloud.name, cloud.outputName], ["openstack", "openstack"]);
    assert.equal(graph.asked["ci-images:rackspace:preflight"].section, "openstack");
    assert.equal(graph.asked["ci-images:rackspace:resolveBase"].section, "openstack");
    await assert.rejects(openOpenStack(named({ members: ["p"] })), /ci-images:openstack\.members: 1 projects/);
    await assert.rejects(openOpenStack(named({ regions: ["ODR"] })), /ci-images:openstack\.regions/);
    process.env.OPENSTACK_KEY_PAIR = "mine";
    try {
      await assert.rejects(openOpenStack(named({})), /OPENSTACK_PUBLIC_KEY_FILENAME/);
      await openOpenStack(settingsOf());
    } finally {
      delete process.env.OPENSTACK_KEY_PAIR;
    }
  });
});
