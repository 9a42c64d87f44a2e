// The resources that the program declares for stack `ec2`, without an engine: inputs, order and parents, with and
// without an up-to-date image.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { baseSource, ec2Distributions } from "../../../components/ec2/bases.ts";
import { doorPort } from "../../../provision/builder/door.ts";
import { distributions } from "../../../provision/distributions.ts";
import { expectNothingRunsAgain } from "../sealed-builder.ts";
import { runProgram, smallRecipe, type Graph, type Registered, type World } from "../program.ts";

const region = "us-west-2";
/** Default subnets of two zones, or what the stack has chosen. */
const subnets = ["subnet-a", "subnet-b"];
const base = { id: "ami-0base", description: "debian-12-amd64-20260901-2" };

/** A cloud with these images; the state has the resources `records`. @param more Additional survey results. */
function world(generations: object[] = [], records: object = {}, more: object = {}): World {
  return {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs: records },
      "ci-images:ec2:resolveBase": base,
      "ci-images:ec2:survey": { generations, builders: [], expired: [], sealed: [], useless: [], ...more },
      "ci-images:ec2:preflight": { vpc: "vpc-1", cidr: "10.7.0.0/16", subnets, notices: [] },
      "ci-images:index:ownAddress": { addresses: ["203.0.113.7"] },
      "ci-images:ec2:configuredRegion": { region },
    },
    outputs: {
      "ci-images:index:KeyPair": () => ({ publicKey: "ssh-ed25519 AAAA x", privateKey: "PRIVATE" }),
      "ci-images:ec2:Lease": ({ prefix, madeWith }) => ({
        madeWith,
        machine: `${prefix as string}-abc`,
        deadline: "2026-11-21T18:00:00.000Z",
      }),
      "ci-images:ec2:Market": () => ({ market: "spot" }),
      "ci-images:ec2:ImageAttributes": () => ({ name: "n", builtAt: "2026-11-21T14:00:00.000Z" }),
      "ci-images:ec2:Reachable": () => ({ host: "198.51.100.1" }),
      "command:remote:Command": () => ({ stdout: `machine-id: ${"1".repeat(32)}\nbash\t5.2\n` }),
    },
  };
}

const run = (ec2: object = {}, the: World = world(), more: object = {}) =>
  runProgram({ cloud: "ec2", ec2: { region, ...ec2 }, ...more }, the);

/** The recipe hash of the first bake, and the survey's result for its image. */
async function surveyed(graph: Graph, proven: boolean, copies: object = {}) {
  const { tags } = graph.one("AmiFromInstance").inputs as { tags: Record<string, string> };
  const recipe = tags["ci-images:recipe"];
  const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 AAAA" };
  const builtAt = "2026-11-21T14:00:00.000Z";
  const generation = { recipe, proven, base, builtAt, name: "worker", location: "ami-0made", imageName: "n" };
  return { ...generation, builder, copies };
}

/** The state's record of an image. */
const record = (type: string, name: string, outputs: object = { id: "ami-0made" }) => ({
  [`urn:pulumi:test::ci-images::${type}::${name}`]: { type, outputs },
});
const madeType = "aws:ec2/amiFromInstance:AmiFromInstance";
const copyType = "aws:ec2/amiCopy:AmiCopy";

describe("the program on stack `ec2`", function () {
  this.timeout(180_000);
  const saved = { pair: process.env.AWS_KEY_PAIR, file: process.env.AWS_KEY_FILENAME };
  before(() => {
    delete process.env.AWS_KEY_PAIR;
    delete process.env.AWS_KEY_FILENAME;
  });
  after(() => {
    if (saved.pair !== undefined) process.env.AWS_KEY_PAIR = saved.pair;
    if (saved.file !== undefined) process.env.AWS_KEY_FILENAME = saved.file;
  });

  describe("without an image", () => {
    let graph: Graph;
    before(async () => {
      const more = { tags: { team: "ci" } };
      graph = await run(
        { copyTo: ["eu-west-1"], shareWithAccounts: ["123456789012"], encrypted: false },
        world(),
        more,
      );
    });

    it("declares a builder with a gp3 disk and IMDSv2 that only we can reach, and that terminates at power-off", () => {
      const { inputs, deletedWith } = graph.one("Instance", /builder$/);
      assert.equal(inputs.ami, base.id);
      assert.equal(inputs.instanceType, "t3.small");
      assert.equal(inputs.instanceInitiatedShutdownBehavior, "terminate");
      assert.equal((inputs.metadataOptions as Record<string, unknown>).httpTokens, "required");
      const disk = inputs.rootBlockDevice as Record<string, unknown>;
      assert.deepEqual([disk.volumeType, disk.volumeSize, disk.encrypted], ["gp3", 48, undefined]);
      assert.equal(inputs.instanceMarketOptions, undefined);
      assert.match(deletedWith, /builder-lease$/);
      const tags = inputs.tags as Record<string, string>;
      assert.deepEqual(
        ["project", "stack", "distribution", "role", "base", "expires"].map((label) => tags[`ci-images:${label}`]),
        ["ci-images", "test", "debian12", "builder", base.id, "20261121T180000Z"],
      );
      assert.equal(tags.team, "ci");
      assert.deepEqual(inputs.volumeTags, tags);
      const group = graph.one("SecurityGroup", /builder/);
      assert.deepEqual(
        group.inputs.ingress,
        [22, doorPort].map((port) => ({
          protocol: "tcp",
          fromPort: port,
          toPort: port,
          cidrBlocks: ["203.0.113.7/32"],
        })),
      );
      assert.equal(group.inputs.vpcId, "vpc-1");
      assert.match(group.deletedWith, /builder-lease$/);
    });

    it("pins the host key through user data and logs in with the bake's own key, as Debian's `admin`", () => {
      const { inputs } = graph.one("Instance", /builder$/);
      // Mocks receive secrets in clear text.
      const userData = JSON.stringify(inputs.userData);
      assert.ok(userData.includes("#cloud-config") && userData.includes("ed25519_private"));
      assert.equal(graph.one("Reachable", /builder/).inputs.user, "admin");
      assert.deepEqual(
        graph.names("KeyPair").filter((name) => name.endsWith("-key-pair")).length,
        2,
        "each machine has its own",
      );
    });

    it("orders modules, seal, stop, image, retirement, trial, promotion, copies and permissions", () => {
      const reached = graph.one("Reachable", /builder/);
      const settled = graph.one("Command", /-settled$/);
      const module = graph.one("Command", /-run$/);
      const mark = graph.one("SealMark");
      const seal = graph.one("Command", /-seal$/);
      const stop = graph.one("Stop");
      const image = graph.one("AmiFromInstance");
      const retirement = graph.one("Retirement", /[0-9a-f]{8}-retirement$/);
      const trial = graph.one("Instance", /trial$/);
      const verified = graph.one("Command", /-verify$/);
      const ended = graph.one("Retirement", /trial-retirement$/);
      const promotion = graph.one("Promotion");
      const copy = graph.one("AmiCopy");
      const order = [reached, settled, module, mark, seal, stop, image];
      for (const [index, step] of order.slice(1).entries()) follows(graph, step, order[index]);
      follows(graph, retirement, image);
      follows(graph, trial, image);
      follows(graph, verified, trial);
      follows(graph, promotion, verified);
      follows(graph, ended, promotion);
      follows(graph, copy, promotion);
      assert.equal(copy.inputs.sourceAmiRegion, region);
      for (const name of [/debian12-[0-9a-f]{8}-for/, /eu-west-1-for/]) {
        const permission = graph.one("AmiLaunchPermission", name);
        assert.equal(permission.inputs.accountId, "123456789012");
        follows(graph, permission, promotion);
      }
      assert.equal(image.inputs.sourceInstanceId, `${graph.one("Instance", /builder$/).name}-id`);
      for (const { type, name, parent } of graph.resources) {
        if (!/^pulumi:/.test(type) && !type.endsWith(":WorkerImage"))
          assert.equal(parent, "debian12", `${type} ${name}`);
      }
    });

    it("outputs the image of every region by distribution, and its ids for ci-platform", () => {
      const id = `${graph.one("AmiFromInstance").name}-id`;
      const copy = `${graph.one("AmiCopy").name}-id`;
      const { images, ciPlatform } = graph.outputs as {
        images: { aws: Record<string, Record<string, { id: string }>> };
        ciPlatform: unknown;
      };
      assert.equal(images.aws[region].debian12.id, id);
      assert.equal(images.aws["eu-west-1"].debian12.id, copy);
      assert.deepEqual(ciPlatform, {
        jenkins: { clouds: { images: { aws: { [region]: { debian12: id }, "eu-west-1": { debian12: copy } } } } },
      });
    });
  });

  it("declares only the image if it is verified and in the state", async () => {
    const first = await run({ copyTo: ["eu-west-1"] });
    const { name } = first.one("AmiFromInstance");
    const known = {
      ...record(madeType, name),
      ...record(copyType, `${name}-eu-west-1`, { id: "ami-0copy" }),
    };
    const generation = await surveyed(first, true, { "eu-west-1": "ami-0copy" });
    const graph = await run({ copyTo: ["eu-west-1"] }, world([generation], known));
    const types = new Set(graph.resources.map(({ type }) => type.split(":").at(-1)));
    const kept = ["AmiCopy", "AmiFromInstance", "ImageAttributes", "ImageLease", "WorkerImage", "aws"];
    assert.deepEqual([...types].sort(), kept);
    for (const ignored of ["name", "sourceInstanceId", "tags", "snapshotWithoutReboot"]) {
      assert.ok(graph.one("AmiFromInstance").ignoreChanges.includes(ignored), ignored);
    }
    const calls = graph.calls.map(({ token }) => token);
    assert.ok(!calls.includes("ci-images:ec2:preflight") && !calls.includes("ci-images:index:ownAddress"));
    // A repeated declaration must be identical, or every `up` would change it.
    for (const type of ["AmiCopy", "ImageAttributes", "ImageLease"]) {
      const strip = (each: Registered) => ({ ...each.inputs, sourceAmiId: "", image: "" });
      const [before, now] = [first, graph].map((each) =>
        Object.fromEntries(
          each.resources.filter((one) => one.type.endsWith(`:${type}`)).map((one) => [one.name, strip(one)]),
        ),
      );
      assert.deepEqual(now, before);
    }
  });

  it("adopts image and copy after the state was lost, and bakes nothing", async () => {
    const generation = await surveyed(await run({ copyTo: ["eu-west-1"] }), true, { "eu-west-1": "ami-0copy" });
    const graph = await run({ copyTo: ["eu-west-1"] }, world([generation]));
    assert.deepEqual(graph.names("Instance"), []);
    assert.deepEqual(graph.names("AmiFromInstance"), []);
    assert.equal(graph.one("AdoptedImage", /[0-9a-f]{8}$/).inputs.image, "ami-0made");
    assert.equal(graph.one("AdoptedImage", /eu-west-1$/).inputs.image, "ami-0copy");
  });

  describe("with another region than before", () => {
    const lease = (place: string, suffix = "") =>
      record("ci-images:ec2:ImageLease", `debian12-1a2b3c4d${suffix}-lease`, { region: place });
    const known = { ...lease(region), ...record(madeType, "debian12-1a2b3c4d") };
    const copied = {
      ...known,
      ...lease("eu-west-1", "-eu-west-1"),
      ...record(copyType, "debian12-1a2b3c4d-eu-west-1"),
    };

    it("refuses to bake where the copies are, at every stage: their leases would delete them", async () => {
      for (const stage of ["none", "image"]) {
        for (const copyTo of [[region], []]) {
          await assert.rejects(
            run({ region: "eu-west-1", copyTo }, world([], copied), { stage }),
            /ci-images:ec2\.region: eu-west-1, where .* copies .* us-west-2; .* deleted; cure: set it back to us-west-2/,
          );
        }
        await run({ copyTo: ["eu-west-1"] }, world([], copied), { stage });
      }
    });

    it("bakes where nothing of the stack is, and copies to the region it comes from", async () => {
      const graph = await run({ region: "eu-west-1", copyTo: [region] }, world([], known));
      assert.equal(graph.one("AmiCopy").inputs.sourceAmiRegion, "eu-west-1");
    });

    it("refuses to copy an import to the region it comes from, because both are of the same recipe", async () => {
      const swapped = { region: "eu-west-1", copyTo: [region] };
      await assert.rejects(
        run(swapped, world([], known), { bakery: "local" }),
        /ci-images:ec2\.copyTo: us-west-2, .* deleted; cure: leave it out/,
      );
    });
  });

  it("verifies an image that was made but never verified, without a builder", async () => {
    const first = await run();
    const known = record(madeType, first.one("AmiFromInstance").name);
    const graph = await run({}, world([await surveyed(first, false)], known));
    assert.match(graph.one("Instance").name, /-trial$/);
    follows(graph, graph.one("Promotion"), graph.one("Command", /-verify$/));
  });

  it("keeps an earlier generation with its copies, and records what the recipe hash was made from", async () => {
    const earlier = {
      ...(await surveyed(await run(), true)),
      recipe: "f".repeat(64),
      proven: true,
      copies: { "eu-west-1": "ami-0copy" },
    };
    const graph = await run({ copyTo: ["eu-west-1"] }, world([earlier], record(madeType, "debian12-ffffffff")));
    assert.ok(graph.one("AmiFromInstance", "debian12-ffffffff").ignoreChanges.includes("name"));
    assert.equal(graph.one("AdoptedImage").name, "debian12-ffffffff-eu-west-1");
    assert.equal(Object.keys(graph.outputs.plans as object).length, 1);
    const none = await run({ copyTo: ["eu-west-1"] }, world([earlier]), { keep: 0 });
    assert.ok(!none.resources.some(({ name }) => name.includes("ffffffff")));
  });

  it("uses a spot machine if the probe found capacity, with a request that ends with the lease", async () => {
    const graph = await run({ spot: true });
    const { instanceMarketOptions } = graph.one("Instance", /builder$/).inputs;
    assert.deepEqual(instanceMarketOptions, {
      marketType: "spot",
      spotOptions: {
        spotInstanceType: "persistent",
        instanceInterruptionBehavior: "stop",
        validUntil: "2026-11-21T18:00:00Z",
      },
    });
    const occupied = world();
    occupied.outputs!["ci-images:ec2:Market"] = () => ({ market: "on-demand" });
    const fallen = await run({ spot: true }, occupied);
    assert.equal(fallen.one("Instance", /builder$/).inputs.instanceMarketOptions, undefined);
  });

  it("probes for spot capacity with the machine's own launch settings, so that policies treat both alike", async () => {
    const kmsKeys = { [region]: `arn:aws:kms:${region}:123456789012:key/0abc` };
    const graph = await run({ spot: true, kmsKeys, instanceProfile: "baker", instanceType: "c7i.large" });
    const { madeWith } = graph.one("Market", /builder-market$/).inputs as { madeWith: Record<string, unknown> };
    const machine = graph.one("Instance", /builder$/).inputs;
    const disk = machine.rootBlockDevice as Record<string, unknown>;
    assert.deepEqual(
      [madeWith.instanceType, madeWith.subnet, madeWith.publicAddress, madeWith.instanceProfile],
      [machine.instanceType, machine.subnetId, machine.associatePublicIpAddress, machine.iamInstanceProfile],
    );
    assert.deepEqual(madeWith.disk, { size: disk.volumeSize, encrypted: disk.encrypted, kmsKey: disk.kmsKeyId });
  });

  it("always names a subnet, because only then it can choose between public and private addresses", async () => {
    for (const address of ["public", "private"]) {
      const { inputs } = (await run({ address })).one("Instance", /builder$/);
      assert.deepEqual([inputs.subnetId, inputs.associatePublicIpAddress], ["subnet-a", address === "public"]);
    }
  });

  it("keeps an existing builder's launch settings, which its lease records", async () => {
    const earlier = world();
    const madeWith = {
      ...{ instanceType: "m5.large", spot: false, vpc: "vpc-0", subnet: "subnet-0", publicAddress: false },
      ...{ disk: { size: 48, encrypted: true }, tags: { team: "ci" } },
    };
    earlier.outputs!["ci-images:ec2:Lease"] = () => ({
      ...{ machine: "m", deadline: "2026-11-21T18:00:00.000Z", madeWith },
    });
    const graph = await run({ instanceType: "c7i.large", encrypted: false }, earlier, { tags: { team: "other" } });
    const { inputs } = graph.one("Instance", /builder$/);
    assert.deepEqual(
      [inputs.instanceType, inputs.subnetId, inputs.associatePublicIpAddress, (inputs.tags as { team: string }).team],
      ["m5.large", "subnet-0", false, "ci"],
    );
    assert.equal((inputs.rootBlockDevice as { encrypted: boolean }).encrypted, true);
    assert.equal(graph.one("SecurityGroup", /builder/).inputs.vpcId, "vpc-0");
    assert.equal(graph.one("Reachable", /builder/).inputs.address, "private");
    assert.equal((graph.one("Lease", /builder/).inputs.madeWith as typeof madeWith).instanceType, "c7i.large");
  });

  it("omits `encrypted` if it is off, because an account may encrypt by default and report true", async () => {
    const graph = await run({ encrypted: false, copyTo: ["eu-west-1"] });
    const disk = graph.one("Instance", /builder$/).inputs.rootBlockDevice as object;
    assert.ok(!("encrypted" in disk));
    assert.equal(graph.one("AmiCopy").inputs.encrypted, undefined);
    const { inputs } = graph.calls.find(({ token }) => token === "ci-images:ec2:preflight")!;
    assert.deepEqual([inputs.encrypted, inputs.copyTo, inputs.isShared], [false, ["eu-west-1"], false]);
  });

  it("logs in as the user of the chosen base image", async () => {
    const own = { id: "ami-0ours", user: "core" };
    const graph = await run({ bases: { debian12: own } });
    assert.equal(graph.one("Reachable", /builder/).inputs.user, "core");
    assert.equal((await run()).one("Reachable", /builder/).inputs.user, "admin");
    await assert.rejects(run({ bases: { debian12: { ...own, user: "no one" } } }), /ec2\.bases\.debian12\.user/);
  });

  it("opens SSH to the address that machines with private addresses see", async () => {
    const graph = await run({ address: "private" });
    const { inputs } = graph.calls.find(({ token }) => token === "ci-images:index:ownAddress")!;
    assert.deepEqual(inputs, { family: 4, networks: ["10.7.0.0/16"], isPrivate: true });
    await assert.rejects(run({}, world(), { sshFrom: ["2001:db8::1/128"] }), /ci-images:sshFrom: only IPv6/);
  });

  it("uses the user's own key pair, security group, subnet and private address if given", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-images-key-"));
    try {
      await writeFile(join(folder, "key"), makeSshKeyPair().privateKey, { mode: 0o600 });
      Object.assign(process.env, { AWS_KEY_PAIR: "team", AWS_KEY_FILENAME: join(folder, "key") });
      const chosen = world();
      Object.assign(chosen.calls["ci-images:ec2:preflight"], { subnets: ["subnet-1"] });
      const graph = await run({ securityGroup: "sg-1", subnet: "subnet-1", address: "private" }, chosen);
      const { inputs } = graph.one("Instance", /builder$/);
      assert.deepEqual([inputs.keyName, inputs.vpcSecurityGroupIds, inputs.subnetId], ["team", ["sg-1"], "subnet-1"]);
      assert.equal(inputs.associatePublicIpAddress, false);
      assert.equal(
        (inputs.rootBlockDevice as { encrypted: boolean }).encrypted,
        true,
        "disks are encrypted by default",
      );
      assert.equal(graph.one("Reachable", /builder/).inputs.address, "private");
      assert.deepEqual(graph.names("SecurityGroup"), []);
      assert.ok(!graph.calls.some(({ token }) => token.endsWith(":ownAddress")), "no firewall rule needs our address");
      const loginKeys = graph.names("KeyPair").filter((name) => name.endsWith("login-key"));
      assert.equal(loginKeys.length, 1);
      assert.match(loginKeys[0], /trial-login-key$/, "the builder's key must not work on the image");
      const { keyName } = graph.one("Instance", /trial$/).inputs;
      assert.ok(keyName !== undefined && keyName !== "team");
    } finally {
      delete process.env.AWS_KEY_PAIR;
      delete process.env.AWS_KEY_FILENAME;
      await rm(folder, { recursive: true });
    }
  });

  it("keeps the newest image's base if it is pinned", async () => {
    const generation = await surveyed(await run(), true);
    const newer = world([generation], record(madeType, "x"));
    newer.calls["ci-images:ec2:resolveBase"] = { id: "ami-0newer", description: "newer" };
    assert.equal((await run({}, newer)).names("Instance").length, 2, "a newer base is a reason to bake");
    assert.deepEqual((await run({}, newer, { base: "pinned" })).names("Instance"), []);
  });

  it("checks that the base exists if a builder will start from it", async () => {
    const starts = async (the: World) => {
      const { calls } = await run({}, the);
      return calls.find(({ token }) => token === "ci-images:ec2:preflight")?.inputs.startsFromBase;
    };
    const first = await run();
    const made = await surveyed(first, false);
    assert.equal(await starts(world()), true);
    assert.equal(await starts(world([], {}, { expired: [made.recipe] })), true);
    assert.equal(await starts(world([], {}, { builders: [made.recipe] })), false, "it continues");
    assert.equal(await starts(world([made])), false, "it is only verified");
  });

  describe("with images that block a new one", () => {
    const useless = { region, id: "ami-0bad", name: "", recipe: "", reason: "failed: no", kind: "failed" };
    let first: Graph;
    let name: string;
    let recipe: string;
    before(async () => {
      first = await run({ copyTo: ["eu-west-1"] });
      name = first.one("AmiFromInstance").name;
      recipe = (await surveyed(first, true)).recipe;
    });
    const amiName = (graph: Graph, type: string) => graph.one(type).inputs.name as string;

    it("removes a failed image, and gives the next one another name so that the engine replaces it", async () => {
      const taken = amiName(first, "AmiFromInstance");
      const bad = { ...useless, recipe, name: taken };
      const known = record(madeType, name, { id: bad.id, name: taken });
      const graph = await run({}, world([], known, { builders: [recipe], sealed: [recipe], useless: [bad] }));
      assert.equal(amiName(graph, "AmiFromInstance"), `${taken}-2`);
      const end = graph.one("FailedImages");
      assert.deepEqual(end.inputs.images, ["ami-0bad"]);
      follows(graph, graph.one("AmiFromInstance"), end);
      const interrupted = await run({}, world([], known, { builders: [recipe], sealed: [recipe] }));
      assert.equal(amiName(interrupted, "AmiFromInstance"), `${taken}-2`, "kill -9 right after its removal");
      const again = { ...bad, id: "ami-0bad2", name: `${taken}-2` };
      const knownAgain = record(madeType, name, { id: again.id, name: again.name });
      assert.equal(amiName(await run({}, world([], knownAgain, { useless: [again] })), "AmiFromInstance"), taken);
    });

    it("declares no removal of images that somebody disabled, or that are of other recipes or regions", async () => {
      const taken = amiName(first, "AmiFromInstance");
      const disabled = { ...useless, recipe, name: taken, reason: "disabled", kind: "disabled" };
      const others = [
        { ...useless, recipe: "f".repeat(64) },
        { ...useless, recipe, region: "eu-north-1" },
      ];
      const graph = await run({}, world([], {}, { useless: [disabled, ...others] }));
      assert.equal(amiName(graph, "AmiFromInstance"), `${taken}-2`);
      assert.deepEqual(graph.names("FailedImages"), []);
    });

    it("says that a disabled image in the state goes, and how to keep it, but promises no end of others", async () => {
      const taken = amiName(first, "AmiFromInstance");
      const disabled = { ...useless, recipe, name: taken, reason: "disabled", kind: "disabled" };
      const orphan = { ...useless, id: "ami-0copy", region: "eu-west-1", recipe, name: taken, kind: "orphaned" };
      const copied = record(copyType, `${name}-eu-west-1`, { id: orphan.id, name: taken });
      const known = { ...record(madeType, name, { id: disabled.id, name: taken }), ...copied };
      const saidBy = async (...given: Parameters<typeof run>) => (await run(...given)).messages.join("\n");
      const said = await saidBy({ copyTo: ["eu-west-1"] }, world([], known, { useless: [disabled, orphan] }));
      assert.match(
        said,
        /ami-0bad in us-west-2 is disabled: it will be deregistered.*, and replaced if the recipe still needs it; to keep it, first run `aws ec2 enable-image --region us-west-2 --image-id ami-0bad`/,
      );
      assert.match(said, /ami-0copy in eu-west-1 .*: it will be deregistered with its snapshots, .*still needs it$/m);
      const unknown = await saidBy({}, world([], {}, { useless: [disabled] }));
      assert.match(unknown, /ami-0bad in us-west-2 is disabled: it will not be used$/m);
      const worker = record("ci-images:index:WorkerImage", "debian12", {});
      const none = await saidBy({}, world([], { ...known, ...worker }, { useless: [disabled] }), { stage: "none" });
      assert.match(none, /ami-0bad in us-west-2 is disabled: it will be deregistered/, "also without a bake");
    });

    it("prefers an existing image to the failed one in the state", async () => {
      const known = record(madeType, name, { id: "ami-0bad" });
      const bad = { ...useless, recipe, name: "n" };
      const graph = await run({}, world([await surveyed(first, true)], known, { useless: [bad] }));
      assert.equal(graph.one("AdoptedImage").inputs.image, "ami-0made");
      assert.deepEqual(graph.names("AmiFromInstance"), []);
      assert.deepEqual(graph.one("FailedImages").inputs.images, ["ami-0bad"]);
    });

    it("makes a failed or deregistered copy again under another name, and keeps that name", async () => {
      const taken = amiName(first, "AmiCopy");
      const copy = `${name}-eu-west-1`;
      const known = { ...record(madeType, name), ...record(copyType, copy, { id: "ami-0bad", name: taken }) };
      const settings = { copyTo: ["eu-west-1"] };
      const gone = await run(settings, world([await surveyed(first, true)], known));
      assert.equal(amiName(gone, "AmiCopy"), `${taken}-2`);
      assert.deepEqual(gone.names("FailedImages"), []);
      const bad = { ...useless, region: "eu-west-1", recipe, name: taken };
      const failed = await run(settings, world([await surveyed(first, true)], known, { useless: [bad] }));
      assert.equal(amiName(failed, "AmiCopy"), `${taken}-2`);
      follows(failed, failed.one("AmiCopy"), failed.one("FailedImages"));
      const there = { ...known, ...record(copyType, copy, { id: "ami-0copy", name: `${taken}-2` }) };
      const kept = await run(settings, world([await surveyed(first, true, { "eu-west-1": "ami-0copy" })], there));
      for (const settled of ["name", "sourceAmiId"]) assert.ok(kept.one("AmiCopy").ignoreChanges.includes(settled));
    });
  });

  describe("power", () => {
    let recipe: string;
    let known: object;
    before(async () => {
      const first = await run();
      recipe = (await surveyed(first, true)).recipe;
      const name = `${first.one("Instance", /builder$/).name}-power`;
      known = record("aws:ec2transitgateway/instanceState:InstanceState", name, {});
    });
    const power = (graph: Graph) => graph.resources.find(({ type }) => type.endsWith(":InstanceState"))?.inputs.state;

    it("is not changed by a complete bake", async () => {
      assert.equal(power(await run()), undefined);
      assert.equal((await run()).one("Reachable", /builder/).inputs.power, "on");
    });

    it("turns the builder of an earlier stage off, and then nothing waits for it", async () => {
      assert.equal(power(await run({}, world(), { stage: "builder" })), "running");
      const graph = await run({}, world([], {}, { builders: [recipe] }), { stage: "builder", power: "off" });
      assert.equal(power(graph), "stopped");
      assert.equal(graph.one("Reachable").inputs.power, "off");
      follows(graph, graph.one("Reachable"), graph.one("InstanceState"));
    });

    it("starts a builder that is off if the image is wanted, but never a sealed one", async () => {
      assert.equal(power(await run({}, world([], known, { builders: [recipe] }))), "running");
      const staged = await run({}, world([], known, { builders: [recipe], sealed: [recipe] }), { stage: "builder" });
      assert.equal(power(staged), "running", "a running builder replaces it");
      assert.equal(staged.one("Lease").inputs.open, true);
      assert.equal(power(await run({}, world([], known, { builders: [recipe], sealed: [recipe] }))), undefined);
    });

    it("never connects to a sealed builder: neither new settings nor a new version runs its steps again", async () => {
      const sealed = await run({}, world([], known, { builders: [recipe], sealed: [recipe] }));
      expectNothingRunsAgain(sealed.resources);
      const { ignoreChanges } = sealed.one("Reachable", /builder/);
      assert.deepEqual(ignoreChanges, ["address", "forward", "port", "user", "privateKey", "proxy", "power"]);
      const open = await run({}, world([], known, { builders: [recipe] }));
      assert.deepEqual(open.one("Command", /-run$/).ignoreChanges, []);
      assert.deepEqual(open.one("Reachable", /builder/).ignoreChanges, []);
    });

    it("ignores that a stopped machine has no public address", async () => {
      const { ignoreChanges } = (await run()).one("Instance", /builder$/);
      assert.deepEqual(ignoreChanges, ["associatePublicIpAddress"]);
    });

    it("keeps the sealing tag of a machine, although a refresh shows it to the official resource", async () => {
      const sealed = await run({}, world([], known, { builders: [recipe], sealed: [recipe] }));
      const { ignoreChanges } = sealed.one("Instance", /builder$/);
      assert.deepEqual(ignoreChanges, ["associatePublicIpAddress", 'tags["ci-images:sealing"]', "userData"]);
    });
  });

  it("encrypts root disks and copies with the key of their own region, and refuses another region's key", async () => {
    const key = (place: string) => `arn:aws:kms:${place}:123456789012:key/0abc`;
    const kmsKeys = { [region]: key(region), "eu-west-1": key("eu-west-1") };
    const graph = await run({ copyTo: ["eu-west-1"], kmsKeys });
    for (const machine of [/builder$/, /trial$/]) {
      const disk = graph.one("Instance", machine).inputs.rootBlockDevice as Record<string, unknown>;
      assert.deepEqual([disk.encrypted, disk.kmsKeyId], [true, key(region)]);
    }
    const { encrypted, kmsKeyId } = graph.one("AmiCopy").inputs;
    assert.deepEqual([encrypted, kmsKeyId], [true, key("eu-west-1")]);
    const shared = await run({ kmsKeys, shareWithAccounts: ["123456789012"] });
    assert.equal(shared.names("AmiLaunchPermission").length, 1);
    await assert.rejects(
      run({ kmsKeys: { [region]: key("eu-west-1") } }),
      /ec2\.kmsKeys\.us-west-2: a key of eu-west-1/,
    );
    await assert.rejects(run({ kmsKeys: { [region]: "alias/mine" } }), /ec2\.kmsKeys\.us-west-2.*arn:aws:kms/);
  });

  it("lets accounts, organizations and their units launch the image and its copies", async () => {
    const organization = "arn:aws:organizations::123456789012:organization/o-abc";
    const unit = "arn:aws:organizations::123456789012:ou/o-abc/ou-def";
    const shares = { shareWithAccounts: ["210987654321"], shareWithOrganizations: [organization, unit] };
    const graph = await run({ copyTo: ["eu-west-1"], encrypted: false, ...shares });
    const permissions = graph.resources.filter(({ type }) => type.endsWith(":AmiLaunchPermission"));
    for (const image of [graph.one("AmiFromInstance"), graph.one("AmiCopy")]) {
      const mine = permissions.filter(({ inputs }) => inputs.imageId === `${image.name}-id`);
      assert.deepEqual(
        mine.map(({ inputs: { accountId, organizationArn, organizationalUnitArn } }) => [
          accountId,
          organizationArn,
          organizationalUnitArn,
        ]),
        [
          ["210987654321", undefined, undefined],
          [undefined, organization, undefined],
          [undefined, undefined, unit],
        ],
      );
    }
  });

  it("bakes all distributions of the stack in parallel, with the chosen type and profile", async () => {
    const distributions = ["debian12", "ubuntu24.04"];
    const settings = { cloud: "ec2", ec2: { region, instanceType: "c7i.large", instanceProfile: "baker" } };
    const graph = await runProgram(settings, world(), { ...smallRecipe, distribution: undefined, distributions });
    const builders = distributions.map((id) => graph.one("Instance", new RegExp(`^${id}-[0-9a-f]{8}-builder$`)));
    for (const { inputs } of builders) {
      assert.deepEqual([inputs.instanceType, inputs.iamInstanceProfile], ["c7i.large", "baker"]);
    }
    assert.ok(!graph.waits(builders[1], graph.one("AmiFromInstance", /^debian12/)));
    assert.ok(!graph.waits(builders[0], graph.one("AmiFromInstance", /^ubuntu/)));
    const { images } = graph.outputs as { images: { aws: Record<string, object> } };
    assert.deepEqual(Object.keys(images.aws[region]).sort(), distributions);
    await assert.rejects(
      run({}, world(), { distributions }),
      /recipe\.yaml: not for ubuntu24\.04, which the stack.*allowed: debian12/,
    );
  });

  it("checks the boot mode before it bakes, and accepts no other", async () => {
    const graph = await run({ bootMode: "uefi" });
    const asked = graph.calls.find(({ token }) => token === "ci-images:ec2:preflight")!.inputs;
    assert.deepEqual([asked.bootMode, asked.base], ["uefi", base.id]);
    await assert.rejects(run({ bootMode: "bios" }), /ec2\.bootMode: "bios"/);
  });

  it("sets deprecation and protection on the image and its copies, and official resources do not undo them", async () => {
    const settings = { copyTo: ["eu-west-1"], deprecateAfter: "90 days", deregistrationProtection: true };
    const graph = await run(settings);
    const attributes = graph.resources.filter(({ type }) => type.endsWith(":ImageAttributes"));
    assert.deepEqual(
      attributes.map(({ inputs }) => [inputs.deprecateAfter, inputs.protect]),
      [
        [90 * 86400, true],
        [90 * 86400, true],
      ],
    );
    assert.ok(graph.one("AmiCopy").ignoreChanges.includes("deprecationTime"));
  });

  it("includes the disk's size in the recipe hash", async () => {
    const recipe = async (ec2: object) => (await surveyed(await run(ec2), true)).recipe;
    assert.notEqual(await recipe({ diskSize: 64 }), await recipe({}));
  });

  it("refuses to share images encrypted with AWS's own key, and a deprecation that is not a duration", async () => {
    await assert.rejects(run({ shareWithAccounts: ["123456789012"] }), /ec2\.kmsKeys: no key for us-west-2/);
    await assert.rejects(run({ deprecateAfter: "soon" }), /ec2\.deprecateAfter: "soon"/);
    await assert.rejects(run({ deprecateAfter: "4000 days" }), /ec2\.deprecateAfter: "4000 days".*ten years/);
  });

  it("has a base image for every distribution, on both architectures", () => {
    assert.deepEqual(distributions.map(({ id }) => id).sort(), [...ec2Distributions].sort());
    for (const distribution of distributions) {
      const [amd64, arm64] = (["amd64", "arm64"] as const).map((architecture) =>
        baseSource(distribution, architecture, undefined),
      );
      assert.notDeepEqual(amd64, arm64, distribution.id);
    }
    assert.deepEqual(baseSource(distributions[0], "amd64", { id: "ami-1" }), { id: "ami-1" });
  });
});

function follows(graph: Graph, later: Registered, earlier: Registered): void {
  assert.ok(graph.waits(later, earlier), `${later.name} must wait for ${earlier.name}`);
}
