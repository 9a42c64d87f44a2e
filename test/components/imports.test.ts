// The graph of a stack that imports locally baked images (stack setting `bakery: local`).
import assert from "node:assert/strict";
import { runProgram, type Graph, type World } from "./program.ts";

const builder = { machineId: "1".repeat(32), hostKeys: ["ssh-ed25519 AAAA"], loginKey: "ssh-ed25519 BBBB" };
const localImage = { path: "/images/debian12/worker", disk: "/d", sha256: "1", bytes: 2, builtAt: "2026", builder };

interface Existing {
  /** This stack's images on this computer. */
  own?: object[];
  /** Another stack's verified image of the recipe. */
  elsewhere?: object;
  /** Images in each region. */
  imported?: object[];
  machines?: object[];
  outputs?: object;
}

function world({ own = [], elsewhere, imported = [], machines = [], outputs = {} }: Existing = {}): World {
  return {
    calls: {
      "pulumi:pulumi:readStackResourceOutputs": { outputs },
      "ci-images:rackspace:regions": { regions: ["ORD", "DFW"], usual: "ORD", notices: [] },
      "ci-images:rackspace:survey": { images: imported, builders: [], expired: [], sealed: [] },
      "ci-images:rackspace:preflight": {
        ...{ flavor: "1", networks: [{ id: "n", name: "private" }], hasKeyPair: false },
        reached: { family: 4, networks: [], cloudHost: "k" },
      },
      "ci-images:ec2:survey": { generations: [], builders: [], expired: [], sealed: [], useless: [] },
      "ci-images:ec2:preflight": { vpc: "vpc-1", subnets: ["subnet-1"], notices: [] },
      "ci-images:gce:survey": { images: [], builders: [], expired: [], sealed: [], unfinished: [] },
      "ci-images:gce:preflight": {},
      "ci-images:gce:account": { project: "bakery" },
      "ci-images:local:resolveBase": { id: "base", description: "debian 12" },
      "ci-images:local:findImages": { images: own, machines },
      "ci-images:local:findBaked": elsewhere ? { image: elsewhere } : {},
      "ci-images:local:describeImage": ({ path }) => {
        const { proof, manifest } = image({});
        return { path, proof, manifest: { ...manifest, distribution: "debian12", size: 2 * 2 ** 30 } };
      },
      "ci-images:local:preflight": { accelerator: "tcg" },
      "ci-images:local:findLayers": { count: 0 },
    },
    outputs: {
      "ci-images:local:Image": () => localImage,
      "ci-images:index:KeyPair": () => ({ publicKey: "ssh-ed25519 PUBLIC", privateKey: "PRIVATE" }),
      "ci-images:local:Lease": () => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z" }),
      "ci-images:rackspace:Lease": () => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z", metadata: {} }),
      "ci-images:rackspace:ServerImage": () => ({
        image: "image-1",
        imageName: "n",
        bytes: 7,
        builtAt: "2026",
        builder,
      }),
      "ci-images:rackspace:ImportLease": () => ({ machine: "lease-1", expires: "20300101T000000Z" }),
      "ci-images:ec2:ImportedImage": () => ({ image: "ami-1", name: "n", builder }),
      "ci-images:ec2:ImageAttributes": () => ({ name: "n", builtAt: "2026" }),
      "ci-images:ec2:Lease": ({ madeWith }) => ({ machine: "m", deadline: "2030-01-01T00:00:00.000Z", madeWith }),
      "ci-images:gce:ImportLease": () => ({ expires: "20300101T000000Z" }),
      "ci-images:gce:Lease": ({ madeWith }) => ({
        machine: "m",
        deadline: "2030-01-01T00:00:00.000Z",
        madeWith,
        labels: {},
      }),
      "ci-images:gce:ImportedImage": ({ name }) => ({
        ...{ name, selfLink: "https://image", creationTimestamp: "2026-01-01T00:00:00Z", diskSizeGb: 2, builder },
      }),
      "gcp:compute/image:Image": ({ name }) => ({
        ...{ name, selfLink: "https://image", creationTimestamp: "2026-01-01T00:00:00Z", diskSizeGb: 2 },
      }),
      "openstack:compute/instance:Instance": () => ({ accessIpV4: "192.0.2.7", accessIpV6: "" }),
      "command:remote:Command": () => ({ stdout: `machine-id: ${"1".repeat(32)}\nok 1 - fine` }),
    },
  };
}

const settings = { cloud: "rackspace", bakery: "local", sshFrom: ["203.0.113.5/32"], rackspace: { flavor: "1" } };
const run = (existing: Existing = {}, more: object = {}) => runProgram({ ...settings, ...more }, world(existing));
/** The recipe hash of the first run. */
let recipe: string;
const image = (proof: object | undefined, hash = recipe) => ({
  path: `/images/debian12/${hash}`,
  proof,
  manifest: {
    ...{ name: "worker", recipe: hash, builtAt: "2026-01-01T00:00:00Z", base: { id: "base", description: "" } },
    plan: {
      recipe: hash,
      name: "worker",
      distribution: "debian12",
      base: { id: "base", description: "" },
      modules: [],
    },
  },
});
const imported = (proven: boolean, hash = recipe) => ({
  id: "g",
  recipe: hash,
  name: "worker",
  builtAt: "2026",
  proven,
});
const types = ({ resources }: Graph, cloud: string) =>
  resources.filter(({ type }) => type.startsWith(`ci-images:${cloud}:`)).map(({ type }) => type.split(":")[2]);
const calledTokens = ({ calls }: Graph) => calls.map(({ token }) => token.replace("ci-images:", ""));

async function findRecipe(): Promise<void> {
  recipe = (await run()).one("ServerImage").inputs.recipe as string;
}

describe("bakery local on stack rackspace", () => {
  before(findRecipe);

  it("bakes and verifies on this computer, then imports, tests in the cloud and promotes", async () => {
    const graph = await run();
    const [lease, upload] = [graph.one("ImportLease"), graph.one("ServerImage")];
    const promoted = graph.resources.find(({ type }) => type === "ci-images:local:Promotion")!;
    assert.equal(promoted.parent, "local-debian12");
    assert.ok(graph.waits(upload, promoted), "the upload waits for the local verification");
    assert.ok(graph.waits(upload, lease));
    const importing = upload.inputs.importing as Record<string, unknown>;
    assert.equal(importing.folder, localImage.path);
    assert.deepEqual([importing.machine, importing.format], ["lease-1", "qcow2"]);
    assert.deepEqual(importing.defaults, {
      ...{ architecture: "x86_64", os_type: "linux", hw_disk_bus: "virtio", os_distro: "debian", os_version: "12" },
    });
    const [trial] = graph.resources.filter(({ type }) => type === "openstack:compute/instance:Instance");
    assert.ok(trial.name.endsWith("-trial") && graph.waits(trial, upload));
    const promotion = graph.resources.find(({ type }) => type === "ci-images:rackspace:Promotion")!;
    assert.ok(graph.waits(promotion, upload));
    assert.deepEqual(Object.keys(graph.outputs.images as object), ["rackspace"]);
  });

  it("has the same recipe hash as stack local", async () => {
    const graph = await runProgram({ cloud: "local" }, world());
    assert.equal(graph.one("Image").inputs.recipe, recipe);
  });

  it("imports an image that another stack has baked, and bakes nothing", async () => {
    const graph = await run({ elsewhere: image({}) });
    assert.deepEqual(types(graph, "local"), []);
    assert.equal(
      (graph.one("ServerImage").inputs.importing as { folder: string }).folder,
      `/images/debian12/${recipe}`,
    );
    assert.ok(!calledTokens(graph).includes("local:preflight"));
  });

  it("bakes once for several regions", async () => {
    const graph = await run({}, { rackspace: { flavor: "1", regions: ["ORD", "DFW"] } });
    assert.equal(types(graph, "local").filter((type) => type === "Image").length, 1);
    assert.equal(graph.names("ServerImage").length, 2);
  });

  it("declares only the images once everything is done, including its own local image", async () => {
    const own = await run({ own: [image({})], imported: [imported(true)] });
    assert.deepEqual([types(own, "local"), types(own, "rackspace")], [["Image"], ["ServerImage"]]);
    assert.equal(own.one("ServerImage").inputs.importing, undefined);
    const others = await run({ imported: [imported(true)] });
    assert.deepEqual(
      [types(others, "local"), types(others, "rackspace")],
      [[], ["ServerImage"]],
      "nothing is baked again",
    );
    assert.ok(!calledTokens(others).includes("local:findBaked"));
  });

  it("keeps as many generations locally as in the cloud", async () => {
    const before = ["b", "c"].map((letter) => image({}, letter.repeat(64)));
    const graph = await run({ own: [image({}), ...before], imported: [imported(true)] }, { keep: 1 });
    assert.deepEqual(
      graph.resources.filter(({ type }) => type === "ci-images:local:Image").map(({ name }) => name),
      [`local-debian12-${recipe.slice(0, 8)}`, "local-debian12-bbbbbbbb"],
    );
  });

  it("verifies an unverified imported image without baking or importing again", async () => {
    const graph = await run({ own: [image({})], imported: [imported(false)] });
    assert.equal(graph.one("ServerImage").inputs.importing, undefined);
    assert.equal(graph.names("ImportLease").length, 0);
    assert.ok(graph.names("Instance").some((name) => name.endsWith("-trial")));
  });

  it("stops with the local builder at an earlier stage, and adds nothing to the cloud", async () => {
    const graph = await run({ imported: [imported(true, "d".repeat(64))] }, { stage: "provisioned" });
    assert.ok(types(graph, "local").includes("Builder"));
    assert.deepEqual(types(graph, "rackspace"), ["ServerImage"]);
    assert.ok(!calledTokens(graph).includes("rackspace:preflight"));
    assert.deepEqual(Object.keys(graph.outputs.builders as object), ["local-debian12"]);
  });

  it("keeps the lease of an unverified import at stages before `image`: its end would remove the image", async () => {
    const cases = [
      ["rackspace", { region: "ORD", prefix: "p", labels: { role: "image" }, lifetime: 3600 }],
      ["gce", { project: "bakery", bucket: "b", object: "o", image: "w", lifetime: 3600 }],
    ] as const;
    for (const [cloud, inputs] of cases) {
      const prefix = `debian12-${recipe.slice(0, 8)}`;
      const type = `ci-images:${cloud}:ImportLease`;
      const imports = { "ci-images:rackspace:ServerImage": {}, "ci-images:gce:ImportedImage": {} };
      const outputs = {
        [`urn:pulumi:s::p::${type}::${prefix}-import-lease`]: { type, outputs: { ...inputs, expires: "later" } },
        ...Object.fromEntries(Object.keys(imports).map((type) => [`urn:pulumi:s::p::${type}::${prefix}`, { type }])),
      };
      const image = { image: "w", builtAt: "2026", proven: false, facts: { recipe, name: "worker" }, selfLink: "l" };
      const found = world({ imported: [imported(false)], outputs });
      found.calls["ci-images:gce:survey"] = { images: [image], builders: [], expired: [], sealed: [], unfinished: [] };
      const { rackspace, ...common } = settings;
      const own = cloud === "gce" ? { gce: { bucket: "bucket" } } : { rackspace };
      const graph = await runProgram({ ...common, ...own, cloud, stage: "builder" }, found);
      assert.deepEqual(graph.one("ImportLease").inputs, inputs, cloud);
    }
  });

  it("keeps the local images and the cloud's at stage `none`", async () => {
    const outputs = Object.fromEntries(
      ["debian12", "local-debian12"].map((name) => [
        `urn:pulumi:test::ci-images::ci-images:index:WorkerImage::${name}`,
        { type: "ci-images:index:WorkerImage" },
      ]),
    );
    const graph = await run({ own: [image({})], imported: [imported(true)], outputs }, { stage: "none" });
    assert.deepEqual([types(graph, "local"), types(graph, "rackspace")], [["Image"], ["ServerImage"]]);
  });

  it("refuses arm64, which local bakes do not support", async () => {
    await assert.rejects(
      run({}, { rackspace: { architecture: "arm64" } }),
      /rackspace\.architecture: arm64, with bakery local/,
    );
  });
});

describe("an existing image (setting `image`)", () => {
  before(findRecipe);
  const publish = { cloud: "rackspace", image: "images/debian12/worker", sshFrom: ["203.0.113.5/32"] };
  const rackspace = { flavor: "1" };

  it("is imported and tested, without reading a recipe or baking", async () => {
    const graph = await runProgram({ ...publish, rackspace }, world(), { modules: "no list" });
    const upload = graph.one("ServerImage");
    assert.match((upload.inputs.importing as { folder: string }).folder, /^\/.*\/images\/debian12\/worker$/);
    assert.equal(upload.inputs.recipe, recipe);
    assert.deepEqual(types(graph, "local"), []);
    const trial = graph.one("Command", /-trial-verify$/);
    assert.ok(graph.waits(trial, upload));
    assert.ok(graph.resources.some(({ type }) => type === "ci-images:rackspace:Promotion"));
    assert.deepEqual(Object.keys(graph.outputs.plans as object), [recipe]);
  });

  it("stays in the stack once it is imported", async () => {
    const graph = await runProgram({ ...publish, rackspace }, world({ imported: [imported(true)] }));
    assert.deepEqual(types(graph, "rackspace"), ["ServerImage"]);
    assert.equal(graph.one("ServerImage").inputs.importing, undefined);
  });

  it("is refused on `local`, which already has it, and at stages with a builder", async () => {
    await assert.rejects(
      runProgram({ image: "x" }, world()),
      /ci-images:image: set, but `local` already has the image/,
    );
    const staged = runProgram({ ...publish, rackspace, stage: "builder" }, world());
    await assert.rejects(staged, /ci-images:image: set, with stage builder/);
  });
});

describe("bakery local on the other clouds", () => {
  before(findRecipe);

  it("registers an AMI of the uploaded disk, encrypted like baked ones, before trial, attributes and promotion", async () => {
    const key = "arn:aws:kms:us-west-2:123456789012:key/1";
    const ec2 = { region: "us-west-2", diskSize: 20, kmsKeys: { "us-west-2": key } };
    const graph = await runProgram({ cloud: "ec2", bakery: "local", sshFrom: ["203.0.113.5/32"], ec2 }, world());
    const image = graph.one("ImportedImage");
    const importing = image.inputs.importing as Record<string, unknown>;
    assert.equal(importing.recipe, recipe, "the recipe hash does not depend on the cloud's disk size");
    assert.deepEqual(
      [importing.folder, importing.diskSize, importing.bootMode, importing.encrypted, importing.kmsKey],
      [localImage.path, 20, "uefi-preferred", true, key],
    );
    assert.ok(graph.waits(image, graph.one("ImageLease")));
    const promoted = graph.resources.find(({ type }) => type === "ci-images:local:Promotion")!;
    assert.ok(graph.waits(image, promoted));
    for (const type of ["ImageAttributes", "Instance"]) assert.ok(graph.waits(graph.one(type), image), type);
    const call = graph.calls.find(({ token }) => token === "ci-images:ec2:preflight")!;
    assert.equal(call.inputs.base, undefined);
  });

  it("says which images are in the way, at every stage, even if nothing is to be imported", async () => {
    const gce = { project: "bakery", bucket: "imports" };
    const notice = "debian12: image old is FAILED: will be removed";
    const unfinished = [{ image: "old", status: "FAILED" }];
    const there = { image: "w", builtAt: "2026", proven: true, facts: { recipe, name: "worker" }, selfLink: "l" };
    for (const images of [[], [there]]) {
      const found = world();
      found.calls["ci-images:gce:survey"] = { images, builders: [], expired: [], sealed: [], unfinished };
      for (const stage of ["image", "builder"]) {
        const settings = { cloud: "gce", bakery: "local", sshFrom: ["203.0.113.5/32"], gce, stage };
        assert.equal((await runProgram(settings, found)).messages.filter((line) => line === notice).length, 1, stage);
      }
    }
  });

  it("makes a Compute Engine image via the stack's bucket, with the features of our disks", async () => {
    const gce = { project: "bakery", bucket: "imports", guestOsFeatures: ["SEV_CAPABLE"] };
    const graph = await runProgram({ cloud: "gce", bakery: "local", sshFrom: ["203.0.113.5/32"], gce }, world());
    const [image, lease] = [graph.one("ImportedImage"), graph.one("ImportLease")];
    const importing = image.inputs.importing as Record<string, unknown>;
    assert.deepEqual([importing.recipe, importing.bucket, importing.object], [recipe, "imports", lease.inputs.object]);
    assert.match(String(importing.object), /^ci-images\/ci-images\/test\/test-worker-debian12-[0-9a-f]{12}\.tar\.gz$/);
    assert.deepEqual(importing.guestOsFeatures, ["UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC", "SEV_CAPABLE"]);
    assert.ok(graph.waits(image, lease));
    assert.ok(graph.waits(graph.one("Instance"), image));
  });

  it("requires a bucket on gce", async () => {
    const refused = runProgram({ cloud: "gce", bakery: "local", gce: { project: "bakery" } }, world());
    await assert.rejects(refused, /gce\.bucket: not set, with bakery local/);
  });
});
