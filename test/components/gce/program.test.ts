// The graph of stack `gce`: the declared resources with their inputs and order, for a missing, a finished and an
// unverified image.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { unpackFacts } from "../../../common/image-facts.ts";
import { baseSource } from "../../../components/gce/bases.ts";
import { familyName } from "../../../components/gce/family.ts";
import { openGce } from "../../../components/gce/open-cloud.ts";
import { gceImportedImage } from "../../../components/gce/provider/resources/imported-image.ts";
import type { GceStack } from "../../../components/gce/stack.ts";
import { checkSettings } from "../../../components/stack-settings.ts";
import { StackState } from "../../../components/life-cycle/stack-state.ts";
import { doorPort } from "../../../provision/builder/door.ts";
import { planRecipe, type Plan } from "../../../provision/plan/plan.ts";
import { loadRecipe } from "../../../provision/recipe/load-recipe.ts";
import { unwrapSecrets } from "../../../provider/values.ts";
import { tinyRecipe } from "../../engine/recipes.ts";
import { expectNothingRunsAgain } from "../sealed-builder.ts";
import { Graph, type Outputs } from "../graph.ts";
import { restoreEnvironment } from "../../restore-environment.ts";

const deadline = "2030-01-01T00:00:00.000Z";
const base = {
  id: "projects/debian-cloud/global/images/debian-12-v20261110@4711",
  description: "debian-12-v20261110 of debian-cloud",
  image: "projects/debian-cloud/global/images/debian-12-v20261110",
  features: ["UEFI_COMPATIBLE", "GVNIC"],
  sizeGb: 10,
};
const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };

/** Outputs of the wait for a machine. */
let current = {};

const outputs: Outputs = (type, name) => {
  const byType: Record<string, object> = {
    "ci-images:index:KeyPair": { publicKey: `ssh-ed25519 PUBLIC-${name}`, privateKey: `PRIVATE-${name}` },
    "ci-images:gce:Lease": { machine: `${name.replace("-lease", "")}-a1b2c3`, deadline },
    "ci-images:gce:Arrival": current,
    "gcp:compute/disk:Disk": { selfLink: `https://compute/disks/${name}` },
    "gcp:compute/instance:Instance": {
      instanceId: "815",
      networkInterfaces: [{ networkIp: "10.0.0.7", accessConfigs: [{ natIp: "203.0.113.9" }] }],
    },
    "gcp:compute/image:Image": {
      selfLink: `https://compute/images/${name}`,
      creationTimestamp: "2026-11-01T11:00:00.000-08:00",
      diskSizeGb: 48,
    },
    "command:remote:Command": { stdout: `machine-id: ${"1".repeat(32)}\nok 1 - fine` },
  };
  return byType[type] ?? {};
};

describe("the graph of stack gce", () => {
  let folder: string;
  let plan: Plan;
  let recipe: string;
  let prefix: string;
  let environment: NodeJS.ProcessEnv;

  const newGraph = (images: object[] = []) =>
    new Graph(
      "gce",
      {
        "ci-images:gce:account": { project: "bakery", who: "nobody" },
        "ci-images:gce:resolveBase": base,
        "ci-images:gce:survey": { images, builders: [], expired: [], sealed: [], unfinished: [] },
        "ci-images:gce:preflight": {},
        "ci-images:index:tunnelTools": {},
      },
      outputs,
    );
  const settingsOf = (gce: object = {}, more: object = {}) =>
    checkSettings<GceStack>("Pulumi.gce.yaml", "ci-images:", {
      cloud: "gce",
      sshFrom: ["203.0.113.5/32", "2001:db8::1/128"],
      tags: { Team: "CI" },
      gce,
      ...more,
    });
  const declare = (graph: Graph, gce: object = {}, { state = new StackState(), keep = 1, more = {} } = {}) => {
    const settings = settingsOf(gce, more);
    return graph.declare(() => openGce(settings, state), settings, plan, keep);
  };
  const generation = (changes: object = {}, facts: object = {}) => ({
    image: "gce-tiny-1",
    selfLink: "https://compute/images/gce-tiny-1",
    builtAt: "2026-11-01T19:00:00.000Z",
    proven: true,
    facts: { recipe, name: "tiny", base: { id: base.id, description: base.description }, builder, ...facts },
    ...changes,
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "gce-"));
    await writeFile(join(folder, "tiny.yaml"), JSON.stringify(tinyRecipe()));
    const loaded = await loadRecipe(join(folder, "tiny.yaml"));
    plan = await planRecipe(loaded, loaded.distributions[0], { sealVersion: "1" });
    recipe = plan.recipeHash(base.id);
    prefix = `debian12-${recipe.slice(0, 8)}`;
  });
  after(() => rm(folder, { recursive: true, force: true }));
  beforeEach(() => {
    environment = { ...process.env };
    for (const name of Object.keys(environment)) if (/^(GCE|GOOGLE)_/.test(name)) delete process.env[name];
  });
  afterEach(() => {
    restoreEnvironment(environment);
  });

  it("bakes a missing image: lease, machine, commands, end of the instance, image, trial, promotion, family", async () => {
    const graph = newGraph();
    const output = await declare(graph);
    assert.deepEqual(output, {
      id: `https://compute/images/${prefix}`,
      name: `gce-tiny-debian12-${recipe.slice(0, 12)}`,
      recipe,
      builtAt: "2026-11-01T19:00:00.000Z",
    });
    const ours = graph.declared.filter(({ type }) => /^(ci-images:gce|gcp):/.test(type));
    assert.deepEqual(
      ours.map(({ type, name }) => `${type.split(":").at(-1)} ${name.replace(prefix, "")}`),
      [
        "Lease -builder-lease",
        "Disk -builder-disk",
        "Firewall -builder-ssh",
        "Firewall -builder-closed",
        "Instance -builder",
        "Arrival -builder-arrival",
        "SealMark -sealing",
        "Retirement -retirement",
        "Clearing -clearing",
        "Image ",
        "DiskDrop -disk-drop",
        "Lease -trial-lease",
        "Firewall -trial-ssh",
        "Firewall -trial-closed",
        "Instance -trial",
        "Arrival -trial-arrival",
        "Promotion -promotion",
        "TrialRetirement -trial-retirement",
        "Family -family",
      ],
    );
  });

  it("names a family by the stack's template, even if the stack's name begins with a digit", () => {
    const name = (template: string, stack = "gce") =>
      familyName(template, { stack, name: "Worker_1", distribution: "ubuntu24.04" }, "Pulumi.gce.yaml");
    assert.equal(name("{stack}-{name}-{distribution}"), "gce-worker-1-ubuntu24-04");
    assert.equal(name("{stack}-{name}-{distribution}", "3tdn7p"), "i-3tdn7p-worker-1-ubuntu24-04");
    assert.throws(
      () => name("{stack}-{nam}"),
      /ci-images:gce\.family: \{nam\}; allowed: \{stack\}, \{name\}, \{distribution\}/,
    );
    assert.throws(() => name("{stack}-"), /"gce-"; allowed: a letter, then/);
  });

  it("refuses an invalid family name before anything is declared", async () => {
    const graph = newGraph();
    await assert.rejects(declare(graph, { family: "{name}-" }), /Pulumi\.gce\.yaml: ci-images:gce\.family: "tiny-"/);
    assert.deepEqual(graph.names(), []);
  });

  it("bakes each distribution in its zone, and refuses a distribution without a zone", async () => {
    const graph = newGraph();
    await declare(graph, { zone: { debian12: "here-b", debian13: "here-a" } });
    const placed = graph.declared.filter(({ inputs }) => "zone" in inputs);
    assert.deepEqual([...new Set(placed.map(({ inputs }) => inputs.zone))], ["here-b"]);
    for (const type of ["Lease", "Disk", "Instance", "Arrival", "Retirement", "DiskDrop", "TrialRetirement"])
      assert.ok(
        placed.some((each) => each.type.endsWith(`:${type}`)),
        type,
      );
    const message =
      "Pulumi.gce.yaml: ci-images:gce.zone: zones for debian13, but none for debian12; allowed: one zone for all distributions, " +
      "or a mapping with a zone for each; cure: add debian12: ZONE";
    await assert.rejects(declare(newGraph(), { zone: { debian13: "here-a" } }), { message });
  });

  it("connects to the address at which the machine answered, unless an older version did not record it", async () => {
    const host = async () => {
      const graph = newGraph();
      await declare(graph);
      const { inputs } = graph.declared.find(({ type }) => type === "command:remote:Command")!;
      return (unwrapSecrets(inputs) as { connection: { host: string } }).connection.host;
    };
    assert.equal(await host(), "203.0.113.9");
    current = { currentHost: "203.0.113.10" };
    assert.equal(await host(), "203.0.113.10");
    current = {};
  });

  it("makes the image of the disk after the instance is deleted, and then deletes the disk", async () => {
    const graph = newGraph();
    await declare(graph);
    assert.deepEqual(graph.after(`${prefix}-retirement`), [`${prefix}-seal`]);
    assert.deepEqual(graph.after(`${prefix}-clearing`), [`${prefix}-retirement`]);
    assert.deepEqual(graph.after(prefix), [`${prefix}-retirement`, `${prefix}-clearing`]);
    const { inputs, options } = graph.get(prefix);
    assert.equal(inputs.sourceDisk, `https://compute/disks/${prefix}-builder-disk`);
    assert.equal(inputs.family, undefined, "no family before it is verified");
    assert.equal(options.deleteBeforeReplace, true);
    assert.equal(graph.get(`${prefix}-disk-drop`).inputs.image, `https://compute/images/${prefix}`);
    assert.deepEqual(graph.after(`${prefix}-promotion`), [`${prefix}-trial-verify`]);
    assert.deepEqual(graph.after(`${prefix}-family`), [`${prefix}-promotion`]);
  });

  it("keeps an image in another project until its successor is verified", async () => {
    for (const [project, isFirst] of [
      ["bakery", true],
      ["earlier", false],
    ] as const) {
      const graph = newGraph();
      const type = "gcp:compute/image:Image";
      const state = new StackState({ [`urn:pulumi:gce::p::${type}::${prefix}`]: { type, outputs: { project } } });
      await declare(graph, { project: "bakery" }, { state });
      assert.equal(graph.get(prefix).options.deleteBeforeReplace, isFirst);
    }
    assert.equal(gceImportedImage.deleteBeforeReplace!(["project"]), false);
    assert.equal(gceImportedImage.deleteBeforeReplace!(["name"]), true);
    assert.equal(gceImportedImage.deleteBeforeReplace!([]), true);
  });

  it("gives the image its identification, and what it was made from", async () => {
    const graph = newGraph();
    await declare(graph, { storageLocations: ["eu"], guestOsFeatures: ["SEV_CAPABLE", "GVNIC"] });
    const { inputs } = graph.get(prefix);
    assert.deepEqual(inputs.labels, {
      team: "ci",
      "ci-images-project": "ci-images",
      "ci-images-stack": "gce",
      "ci-images-distribution": "debian12",
      "ci-images-recipe": recipe.slice(0, 63),
      "ci-images-role": "image",
      "ci-images-base": "debian-12-v20261110",
    });
    const facts = unpackFacts(inputs.description as string)!;
    assert.equal(facts.expires, "20300101t000000z");
    assert.deepEqual(
      [facts.recipe, facts.name, (facts.base as { id: string }).id, (facts.plan as { recipe: string }).recipe],
      [recipe, "tiny", base.id, recipe],
    );
    assert.deepEqual(facts.builder, {
      machineId: "1".repeat(32),
      hostKeys: [`ssh-ed25519 PUBLIC-${prefix}-builder-host-key`],
      loginKey: `ssh-ed25519 PUBLIC-${prefix}-builder-login-key`,
    });
    assert.ok((inputs.description as string).length <= 2048);
    assert.deepEqual(inputs.storageLocations, ["eu"]);
    assert.deepEqual(
      (inputs.guestOsFeatures as { type: string }[]).map(({ type }) => type),
      ["SEV_CAPABLE", "GVNIC"],
      "only the features that the user adds",
    );
  });

  it("lets the image inherit its base's guest OS features, even unknown ones", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:resolveBase"] = { ...base, features: ["UEFI_COMPATIBLE", "LEVITATION"] };
    await declare(graph);
    assert.equal(graph.get(prefix).inputs.guestOsFeatures, undefined);
    assert.ok(graph.get(`${prefix}-builder`).inputs.shieldedInstanceConfig);
  });

  it("ties the builder to its lease, keeps its disk after it, and lets Google delete it at its deadline", async () => {
    const graph = newGraph();
    await declare(graph);
    const { inputs } = graph.get(`${prefix}-builder`);
    const machine = `${prefix}-builder-a1b2c3`;
    assert.equal(inputs.name, machine);
    assert.equal(inputs.machineType, "e2-standard-2");
    assert.deepEqual(inputs.bootDisk, { source: `https://compute/disks/${prefix}-builder-disk`, autoDelete: false });
    assert.deepEqual(inputs.scheduling, {
      maxRunDuration: { seconds: 4 * 3600 },
      instanceTerminationAction: "DELETE",
      automaticRestart: false,
      provisioningModel: "STANDARD",
    });
    assert.deepEqual(inputs.shieldedInstanceConfig, {
      enableVtpm: true,
      enableIntegrityMonitoring: true,
      enableSecureBoot: false,
    });
    const disk = graph.get(`${prefix}-builder-disk`).inputs;
    assert.deepEqual([disk.name, disk.image, disk.size, disk.type], [machine, base.image, 48, "pd-balanced"]);
    for (const each of ["builder", "builder-disk", "builder-ssh"]) {
      assert.equal(graph.goesWith(`${prefix}-${each}`), `${prefix}-builder-lease`);
    }
    const lease = graph.get(`${prefix}-builder-lease`).inputs;
    assert.equal(lease.image, `gce-tiny-debian12-${recipe.slice(0, 12)}`);
    assert.match(lease.prefix as string, /^[a-z][a-z0-9-]{0,55}$/);
  });

  it("passes the builder's host key in user data and startup script, and one login key, all as secrets", async () => {
    const graph = newGraph();
    await declare(graph);
    const { metadata } = graph.get(`${prefix}-builder`).inputs;
    assert.notDeepEqual(metadata, unwrapSecrets(metadata));
    const known = unwrapSecrets(metadata) as Record<string, string>;
    assert.match(known["user-data"], new RegExp(`PRIVATE-${prefix}-builder-host-key`));
    assert.match(known["startup-script"], new RegExp(`PRIVATE-${prefix}-builder-host-key`));
    assert.equal(known["ssh-keys"], `debian:ssh-ed25519 PUBLIC-${prefix}-builder-login-key`);
    assert.equal(known["block-project-ssh-keys"], "TRUE");
    assert.equal(known["enable-oslogin"], "FALSE");
    assert.equal(known["ci-images-recipe"], recipe);
    assert.doesNotMatch(
      Object.values(known).join("\n"),
      /poweroff|shutdown -P/,
      "Google ends it, not the machine itself",
    );
    assert.ok(!JSON.stringify(known).includes(`PRIVATE-${prefix}-builder-login-key`));
  });

  it("opens SSH of one machine to the caller's IPv4 addresses only", async () => {
    const graph = newGraph();
    await declare(graph);
    const { inputs } = graph.get(`${prefix}-builder-ssh`);
    const tag = `${prefix}-builder-a1b2c3`;
    assert.deepEqual(
      [inputs.direction, inputs.allows, inputs.sourceRanges, inputs.targetTags, inputs.network],
      ["INGRESS", [{ protocol: "tcp", ports: ["22", String(doorPort)] }], ["203.0.113.5/32"], [tag], "default"],
    );
    assert.deepEqual(graph.get(`${prefix}-builder`).inputs.tags, [tag]);
    const { inputs: closed } = graph.get(`${prefix}-builder-closed`);
    assert.deepEqual(
      [closed.direction, closed.denies, closed.sourceRanges, closed.targetTags, closed.name],
      ["INGRESS", [{ protocol: "all" }], ["0.0.0.0/0"], [tag], `${tag}-closed`],
    );
    assert.ok((closed.priority as number) < 65534, "it overrides the default network's rules");
    assert.deepEqual(graph.after(`${prefix}-builder`), [`${prefix}-builder-ssh`, `${prefix}-builder-closed`]);
  });

  it("opens only the ports that Google's forwarding reaches", async () => {
    const graph = newGraph();
    await declare(graph, { tunnel: "iap" });
    assert.deepEqual(graph.get(`${prefix}-builder-ssh`).inputs.allows, [{ protocol: "tcp", ports: ["22"] }]);
  });

  it("makes no firewall rule if the network lets us in, and can use machines' private addresses", async () => {
    const graph = newGraph();
    const network = "projects/host/global/networks/shared";
    await declare(graph, { firewall: false, publicAddress: false, network, subnetwork: "inner", networkTags: ["ssh"] });
    assert.deepEqual(graph.names("gcp:compute/firewall:Firewall"), []);
    const { inputs } = graph.get(`${prefix}-builder`);
    assert.deepEqual(inputs.networkInterfaces, [{ network, subnetwork: "inner", subnetworkProject: "host" }]);
    const path = "projects/host/regions/here/subnetworks/inner";
    const byPath = newGraph();
    await declare(byPath, { firewall: false, network, subnetwork: path });
    const [first] = byPath.get(`${prefix}-builder`).inputs.networkInterfaces as object[];
    assert.deepEqual(first, { network, subnetwork: path, accessConfigs: [{ networkTier: "PREMIUM" }] });
    assert.deepEqual(inputs.tags, [`${prefix}-builder-a1b2c3`, "ssh"]);
    assert.equal(graph.get(`${prefix}-builder-arrival`).inputs.host, "10.0.0.7");
    assert.equal(graph.asked["ci-images:gce:preflight"].network, undefined);
  });

  it("waits for SSH before the first command", async () => {
    const graph = newGraph();
    await declare(graph);
    const { inputs } = graph.get(`${prefix}-builder-arrival`);
    assert.deepEqual([inputs.host, inputs.port, inputs.user, inputs.instance], ["203.0.113.9", 22, "debian", "815"]);
    assert.deepEqual(graph.after(`${prefix}-settled`), [`${prefix}-builder-arrival`]);
  });

  it("waits for a machine to return from a reboot; commands give up within seconds if a login is refused", async () => {
    const graph = newGraph();
    const file = join(folder, "rebooting.yaml");
    const modules = { modules: ["os_updates", "files"], os_updates: { reboot: true } };
    await writeFile(file, JSON.stringify(tinyRecipe("one", modules)));
    const loaded = await loadRecipe(file);
    const rebooting = await planRecipe(loaded, loaded.distributions[0], { sealVersion: "1" });
    const settings = settingsOf();
    await graph.declare(() => openGce(settings, new StackState()), settings, rebooting, 1);
    const [back, ...others] = graph.names("ci-images:index:Return");
    assert.deepEqual(others, []);
    assert.match(back, /-os_updates-\d+-return$/);
    assert.deepEqual(graph.after(back), [back.replace(/-return$/, "")]);
    const commands = graph.names("command:remote:Command");
    assert.ok(commands.some((name) => graph.after(name).includes(back)));
    for (const name of commands) {
      const connection = unwrapSecrets(graph.get(name).inputs.connection) as { dialErrorLimit: number };
      assert.equal(connection.dialErrorLimit, 9, name);
    }
  });

  it("uses spot machines, another type, an account and secure boot if the stack says so", async () => {
    const graph = newGraph();
    const own = { spot: true, machineType: "c3-standard-4", serviceAccount: "x@y.iam", secureBoot: true };
    await declare(graph, own);
    const { inputs } = graph.get(`${prefix}-builder`);
    const { scheduling, shieldedInstanceConfig } = inputs as Record<string, Record<string, unknown>>;
    assert.deepEqual(
      [scheduling.provisioningModel, scheduling.preemptible, scheduling.onHostMaintenance],
      ["SPOT", true, "TERMINATE"],
    );
    assert.equal(shieldedInstanceConfig.enableSecureBoot, true);
    assert.deepEqual(inputs.serviceAccount, { email: "x@y.iam", scopes: ["cloud-platform"] });
    assert.equal(graph.asked["ci-images:gce:preflight"].machineType, "c3-standard-4");
  });

  it("stops and keeps the builder if the stack says so, and replaces a sealed one", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:survey"] = { images: [], builders: [recipe], expired: [], sealed: [], unfinished: [] };
    await declare(graph, {}, { more: { stage: "builder", power: "off" } });
    assert.equal(graph.get(`${prefix}-builder`).inputs.desiredStatus, "TERMINATED");
    assert.equal(graph.get(`${prefix}-builder-lease`).inputs.open, true);
    assert.deepEqual(graph.names("gcp:compute/image:Image"), []);
    const whole = newGraph();
    await declare(whole);
    assert.equal(whole.get(`${prefix}-builder`).inputs.desiredStatus, "RUNNING");
    assert.equal(whole.get(`${prefix}-builder-lease`).inputs.open, undefined);
  });

  /** The survey's answer while a sealed builder waits for its image. */
  const sealedBuilder = () => ({ images: [], builders: [recipe], expired: [], sealed: [recipe], unfinished: [] });

  it("never restarts a sealed builder, even if a refresh has recorded it as stopped", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:survey"] = sealedBuilder();
    await declare(graph);
    assert.deepEqual(graph.get(`${prefix}-builder`).options.ignoreChanges, ["desiredStatus", "metadata"]);
    assert.equal(graph.get(`${prefix}-trial`).options.ignoreChanges, undefined);
    const staged = newGraph();
    staged.answers["ci-images:gce:survey"] = sealedBuilder();
    await declare(staged, {}, { more: { stage: "builder" } });
    assert.equal(staged.get(`${prefix}-builder`).options.ignoreChanges, undefined, "a running builder replaces it");
  });

  it("never connects to a sealed builder: neither new settings nor a new version runs its steps again", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:survey"] = sealedBuilder();
    await declare(graph);
    expectNothingRunsAgain(graph.withIgnored());
    assert.equal(graph.get(`${prefix}-builder-arrival`).inputs.awake, false);
  });

  it("runs nothing on a builder that is off and has no address, and tells the lease whether the state has the machine", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:survey"] = { images: [], builders: [recipe], expired: [], sealed: [], unfinished: [] };
    const records = {
      [`urn:pulumi:gce::ci-images::command:remote:Command::${prefix}-files`]: "command:remote:Command",
    };
    records[`urn:pulumi:gce::ci-images::gcp:compute/instance:Instance::${prefix}-builder`] =
      "gcp:compute/instance:Instance";
    const state = new StackState(Object.fromEntries(Object.entries(records).map(([urn, type]) => [urn, { type }])));
    await declare(graph, {}, { state, more: { stage: "provisioned", power: "off" } });
    assert.deepEqual(graph.get(`${prefix}-builder-arrival`).options.ignoreChanges, ["host"]);
    assert.equal(graph.get(`${prefix}-builder-lease`).inputs.recorded, true);
    const whole = newGraph();
    await declare(whole);
    assert.deepEqual(whole.get(`${prefix}-builder-arrival`).options.ignoreChanges, []);
    assert.equal(whole.get(`${prefix}-builder-lease`).inputs.recorded, false);
  });

  it("checks quotas only if no builder exists", async () => {
    const graph = newGraph();
    await declare(graph, { spot: true, firewall: false });
    const { room } = graph.asked["ci-images:gce:preflight"];
    assert.deepEqual(room, { diskSize: 48, diskType: "pd-balanced", spot: true, publicAddress: true, firewall: false });
    for (const present of [{ builders: ["another"] }, { expired: ["another"] }]) {
      const resumed = newGraph();
      const survey = { images: [], builders: [], expired: [], sealed: [], unfinished: [], ...present };
      resumed.answers["ci-images:gce:survey"] = survey;
      await declare(resumed);
      assert.equal(resumed.asked["ci-images:gce:preflight"].room, undefined, "it makes room");
    }
  });

  it("boots the trial from the image, on a larger disk that is deleted with it, with its own key", async () => {
    const graph = newGraph();
    await declare(graph);
    const { inputs } = graph.get(`${prefix}-trial`);
    assert.deepEqual(inputs.bootDisk, {
      autoDelete: true,
      initializeParams: { image: `https://compute/images/${prefix}`, size: 49, type: "pd-balanced" },
    });
    assert.deepEqual(graph.after(`${prefix}-trial-lease`), [prefix], "its lifetime starts after the image is made");
    const metadata = unwrapSecrets(inputs.metadata) as Record<string, string>;
    assert.equal(metadata["ssh-keys"], `debian:ssh-ed25519 PUBLIC-${prefix}-trial-login-key`);
  });

  it("declares only the image and its family if the image exists and is verified, and changes neither", async () => {
    const graph = newGraph([generation()]);
    const state = new StackState({
      [`urn:pulumi:gce::ci-images::gcp:compute/image:Image::${prefix}`]: { type: "gcp:compute/image:Image" },
    });
    await declare(graph, {}, { state });
    assert.deepEqual(graph.names(), ["debian12", prefix, `${prefix}-family`]);
    const { inputs, options } = graph.get(prefix);
    assert.deepEqual(inputs, { project: "bakery", name: "gce-tiny-1" });
    for (const key of ["description", "labels", "family", "sourceDisk", "guestOsFeatures", "storageLocations"]) {
      assert.ok(options.ignoreChanges!.includes(key), key);
    }
    assert.equal(options.import, undefined);
    assert.deepEqual(graph.after(`${prefix}-family`), []);
    assert.equal(graph.asked["ci-images:gce:preflight"], undefined);
  });

  it("adopts an image if the state was lost", async () => {
    const graph = newGraph([generation()]);
    await declare(graph);
    assert.equal(graph.get(prefix).options.import, "projects/bakery/global/images/gce-tiny-1");
  });

  it("verifies an image that exists but is unverified, against the builder it was made from", async () => {
    const graph = newGraph([generation({ proven: false })]);
    await declare(graph);
    assert.deepEqual(graph.names("gcp:compute/instance:Instance"), [`${prefix}-trial`]);
    assert.deepEqual(graph.names("ci-images:gce:Retirement"), []);
    const verify = unwrapSecrets(graph.get(`${prefix}-trial-verify`).inputs.stdin) as string;
    assert.match(verify, new RegExp(builder.machineId));
    assert.deepEqual(graph.after(`${prefix}-family`), [`${prefix}-promotion`]);
  });

  it("keeps as many earlier generations as the stack says, each with its own image and family resources", async () => {
    const earlier = ["aaaa", "bbbb"].map((hash) => generation({ image: hash }, { recipe: hash.repeat(4) }));
    const graph = newGraph([generation(), ...earlier]);
    await declare(graph);
    assert.deepEqual(graph.names("gcp:compute/image:Image"), [prefix, "debian12-aaaaaaaa"]);
    assert.deepEqual(graph.names("ci-images:gce:Family"), [`${prefix}-family`, "debian12-aaaaaaaa-family"]);
    assert.equal(graph.goesWith("debian12-aaaaaaaa-family"), "debian12-aaaaaaaa");
  });

  it("keeps the base of the newest image if the stack says so", async () => {
    const graph = newGraph([generation({}, { recipe: "aaaa".repeat(16) })]);
    await declare(graph, {}, { more: { base: "pinned" } });
    assert.equal(graph.asked["ci-images:gce:resolveBase"].pinned, base.id);
  });

  it("does not look for a pinned base if nothing is to be baked: Google may have deleted it", async () => {
    const graph = newGraph([generation()]);
    await declare(graph, {}, { more: { base: "pinned" } });
    assert.deepEqual(graph.names("gcp:compute/image:Image"), [prefix]);
    assert.ok(!("ci-images:gce:resolveBase" in graph.asked));
  });

  it("uses the distribution's public family as the base, or what the stack names instead", async () => {
    const graph = newGraph();
    await declare(graph);
    const family = { kind: "family", project: "debian-cloud", family: "debian-12" };
    assert.deepEqual(graph.asked["ci-images:gce:resolveBase"].source, family);
    const own = newGraph();
    await declare(own, { bases: { debian12: { image: "mine", user: "me" } } });
    const source = { kind: "image", project: "bakery", image: "mine" };
    assert.deepEqual(own.asked["ci-images:gce:resolveBase"].source, source);
    const arm = newGraph();
    await declare(arm, { architecture: "arm64" });
    assert.deepEqual(arm.asked["ci-images:gce:resolveBase"].source, { ...family, family: "debian-12-arm64" });
    assert.equal(arm.get(`${prefix}-builder`).inputs.machineType, "t2a-standard-2");
  });

  it("adds the image to the family that the stack names, or to none", async () => {
    const graph = newGraph();
    await declare(graph, { family: "Workers-{distribution}" });
    assert.equal(graph.get(`${prefix}-family`).inputs.family, "workers-debian12");
    const none = newGraph();
    await declare(none, { family: false });
    assert.deepEqual(none.names("ci-images:gce:Family"), []);
    const wrong = newGraph();
    await assert.rejects(declare(wrong, { family: "{image}" }), /gce\.family: \{image\}; allowed: \{stack\}, \{name\}/);
  });

  it("passes the environment's service account to the official provider as a secret", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    process.env.GCE_CREDENTIALS_EMAIL = "baker@bakery.iam";
    process.env.GCE_CREDENTIALS_PRIVATE_KEY = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const graph = newGraph();
    await declare(graph);
    const { project, credentials } = graph.providers.gce;
    assert.equal(project, "bakery");
    assert.notEqual(credentials, unwrapSecrets(credentials));
    const known = JSON.parse(unwrapSecrets(credentials) as string) as Record<string, string>;
    assert.equal(known.client_email, "baker@bakery.iam");
    const without = newGraph();
    for (const name of ["GCE_CREDENTIALS_EMAIL", "GCE_CREDENTIALS_PRIVATE_KEY"]) delete process.env[name];
    await declare(without);
    assert.deepEqual(without.providers.gce, { project: "bakery" });
  });

  it("directs the official provider to the beta path of a custom endpoint, without credentials for an emulator", async () => {
    process.env.GOOGLE_COMPUTE_CUSTOM_ENDPOINT = "https://compute-ours.p.googleapis.com/compute/v1/";
    const graph = newGraph();
    await declare(graph);
    const computeCustomEndpoint = "https://compute-ours.p.googleapis.com/compute/beta/";
    assert.deepEqual(graph.providers.gce, { project: "bakery", computeCustomEndpoint });
    process.env.GOOGLE_COMPUTE_CUSTOM_ENDPOINT = "http://127.0.0.1:1/compute/v1/";
    const emulated = newGraph();
    await declare(emulated);
    assert.equal(unwrapSecrets(emulated.providers.gce.accessToken), "none");
  });

  it("uses the user's own key for the builder, but not for the trial", async () => {
    const pair = makeSshKeyPair();
    await writeFile(join(folder, "key"), pair.privateKey, { mode: 0o600 });
    await writeFile(join(folder, "key.pub"), pair.publicKey);
    Object.assign(process.env, { GCE_PRIVATE_KEY: join(folder, "key"), GCE_PUBLIC_KEY: join(folder, "key.pub") });
    const graph = newGraph();
    await declare(graph);
    const pairs = graph.names("ci-images:index:KeyPair").map((name) => name.replace(prefix, ""));
    assert.deepEqual(pairs, ["-builder-host-key", "-trial-login-key", "-trial-host-key"]);
  });

  it("refuses a disk smaller than the base image, and callers without IPv4", async () => {
    const large = newGraph();
    large.answers["ci-images:gce:resolveBase"] = { ...base, sizeGb: 20 };
    await assert.rejects(declare(large, { diskSize: 12 }), /gce\.diskSize: 12; allowed: at least 20/);
    const graph = newGraph();
    await assert.rejects(declare(graph, {}, { more: { sshFrom: ["2001:db8::1/128"] } }), /sshFrom: only IPv6/);
  });

  it("opens SSH to the address that private machines see, and does not look it up without a firewall rule", async () => {
    const graph = newGraph();
    graph.answers["ci-images:gce:preflight"] = { ranges: ["10.128.0.0/20"] };
    graph.answers["ci-images:index:ownAddress"] = { addresses: ["10.8.0.3"] };
    await declare(graph, { publicAddress: false }, { more: { sshFrom: undefined } });
    assert.deepEqual(graph.asked["ci-images:gce:preflight"].inside, { network: "default" });
    assert.deepEqual(graph.asked["ci-images:index:ownAddress"], {
      family: 4,
      networks: ["10.128.0.0/20"],
      isPrivate: true,
    });
    assert.deepEqual(graph.get(`${prefix}-builder-ssh`).inputs.sourceRanges, ["10.8.0.3/32"]);
    await declare(newGraph(), { firewall: false }, { more: { sshFrom: undefined } });
  });

  it("refuses a distribution for which Google has no image", () => {
    const settings = settingsOf().gce;
    assert.throws(
      () => baseSource("amazonlinux2023", settings, "bakery", "Pulumi.gce.yaml"),
      /there is no public image of amazonlinux2023 for amd64 .*ci-images:gce\.bases\.amazonlinux2023/,
    );
    assert.throws(
      () => baseSource("centos7", { ...settings, architecture: "arm64" }, "bakery", "x"),
      /centos7 for arm64/,
    );
  });
});
